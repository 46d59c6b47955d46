from __future__ import annotations

import stat
from pathlib import Path

import pytest

from qkd_qiskit.cli import main
from qkd_qiskit.config import load_experiment
from qkd_qiskit.deployment import client_node as join_module
from qkd_qiskit.deployment import server as serve_module
from qkd_qiskit.deployment.outcome import read_outcome, write_outcome
from qkd_qiskit.deployment.processes import Tail
from qkd_qiskit.deployment.settings import load_client, load_server
from qkd_qiskit.deployment.setup import FederationFiles, make_federation, with_clients
from qkd_qiskit.deployment.signatures import load_public_key
from qkd_qiskit.errors import ConfigError, FederationError
from qkd_qiskit.federation.data_files import read_server_data

TINY = str(Path(__file__).parents[2] / "integration" / "tiny.toml")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FederationFiles:
    folder = tmp_path_factory.mktemp("made") / "federation"
    return make_federation(folder, load_experiment(TINY), hosts=["server.example", "10.0.0.1"], port=4321)


@pytest.fixture
def copy(made: FederationFiles, tmp_path: Path) -> FederationFiles:
    """One that a test may spoil."""
    import shutil

    folder = tmp_path / "federation"
    shutil.copytree(made.folder, folder)
    moved = [folder / path.name for path in (made.server, *made.clients)]
    return FederationFiles(folder, moved[0], tuple(moved[1:]), made.names)


def test_all_that_is_needed_is_made(made: FederationFiles) -> None:
    server = load_server(made.server)
    assert (server.host, server.port) == ("0.0.0.0", 4321)
    assert list(server.clients) == ["one class", "two classes", "all"]
    assert len({load_public_key(Path(path)) for path in server.clients.values()}) == 3
    assert load_experiment(server.experiment) == load_experiment(TINY)
    client = load_client(made.clients[0])
    assert client.server == "server.example:4321"
    assert (client.client.name, client.client.backend) == ("one class", "noisy_line")
    assert Path(client.client.path).exists()
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(client.key).stat().st_mode) == 0o600


def test_the_public_set_can_be_pinned(copy: FederationFiles) -> None:
    spoil(copy.clients[0], "# public_digest", "public_digest")
    settings = load_experiment(TINY)
    public = read_server_data(settings, copy.folder / "public.npz").public
    assert load_client(copy.clients[0]).client.public_digest == public.digest


def _content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_in_use_is_left_alone(made: FederationFiles) -> None:
    before = _content(made.folder)
    with pytest.raises(FederationError, match="expected a new or empty folder, found app"):
        make_federation(made.folder, load_experiment(TINY))
    assert _content(made.folder) == before


def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FederationError, match="cannot write into"):
        make_federation(tmp_path / "file" / "x", load_experiment(TINY))


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (None, ["one class", "two classes", "all"]),
        (1, ["one class"]),
        (5, ["one class", "two classes", "all", "one class2", "two classes2"]),
        (7, ["one class", "two classes", "all", "one class2", "two classes2", "all2", "one class3"]),
    ],
)
def test_clients_are_taken_in_order_and_repeated(count: int | None, names: list[str]) -> None:
    assert [client.name for client in with_clients(load_experiment(TINY), count).clients] == names


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "error", "reason"),
    [
        ("port = 4321", "prot = 4321", ConfigError, "server.toml: unknown key prot"),
        ("port = 4321", "port = 0", ConfigError, "port: .*found 0"),
        ("port = 4321", "port = [", ConfigError, "is not valid TOML"),
        ('"server.key"', '"other.key"', FederationError, "key: expected a file, found nothing at"),
        ('"client-all.pub"', '"nobody.pub"', FederationError, "clients.all: expected a file"),
        ('"public.npz"', '"none.npz"', FederationError, "public: expected a file"),
    ],
)
def test_a_wrong_server_file_is_refused(
    old: str, new: str, error: type[Exception], reason: str, copy: FederationFiles
) -> None:
    spoil(copy.server, old, new)
    with pytest.raises(error, match=reason):
        load_server(copy.server)


@pytest.mark.parametrize(
    ("old", "new", "error", "reason"),
    [
        ("[client]", "[klient]", ConfigError, "client: expected a value, found none"),
        ('key = "', 'kee = "', ConfigError, "key: expected a value, found none"),
        ('"server.example:4321"', '"server.example"', ConfigError, "server: expected host:port"),
        ('"server.example:4321"', '"server.example:70000"', ConfigError, "server: expected host:port"),
        ('"ca.crt"', '"da.crt"', FederationError, "authority: expected a file"),
        ("max_samples = 200000", "max_samples = -1", ConfigError, "client.max_samples: .*found -1"),
    ],
)
def test_a_wrong_client_file_is_refused(
    old: str, new: str, error: type[Exception], reason: str, copy: FederationFiles
) -> None:
    spoil(copy.clients[0], old, new)
    with pytest.raises(error, match=reason):
        load_client(copy.clients[0])


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for load in (load_server, load_client):
        with pytest.raises(ConfigError, match="cannot read .*No such file"):
            load(tmp_path / "none.toml")


def test_clients_and_experiment_must_agree(copy: FederationFiles) -> None:
    spoil(copy.server, '"all" = "client-all.pub"\n', "")
    with pytest.raises(FederationError, match="expected keys of exactly one class, two classes, all, found"):
        serve_module.run_server_node(copy.server, tell=print)


def test_two_clients_with_one_key_are_refused(copy: FederationFiles) -> None:
    spoil(copy.server, "client-all.pub", "client-one-class.pub")
    with pytest.raises(FederationError, match="expected different keys, found one twice"):
        serve_module.run_server_node(copy.server, tell=print)


def test_the_outcome_is_reported(tmp_path: Path) -> None:
    assert not read_outcome(tmp_path)
    write_outcome(tmp_path, None)
    assert read_outcome(tmp_path)
    write_outcome(tmp_path, "too few clients")
    with pytest.raises(FederationError, match="too few clients"):
        read_outcome(tmp_path)


def test_new_lines_are_reported_whole(tmp_path: Path) -> None:
    told: list[str] = []
    tail = Tail(tmp_path / "log", told.append)
    tail.poll()
    with (tmp_path / "log").open("w") as file:
        for text, expected in (("a\nb", ["a"]), ("c\n", ["a", "bc"]), ("", ["a", "bc"])):
            file.write(text)
            file.flush()
            tail.poll()
            assert told == expected
    later = Tail(tmp_path / "log", told.append)
    later.skip()
    later.poll()
    assert told == ["a", "bc"]


def test_the_command_makes_a_federation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    arguments = ["federation", "init", str(folder), "--experiment", TINY, "--clients", "2", "--host", "here"]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert f"server: qkd-qiskit server {folder / 'server.toml'}" in told
    assert "client two classes: qkd-qiskit client" in told
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "expected a new or empty folder" in error


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["federation", "init", "{new}", "--host", "a b"], "expected a name or an address"),
        (["federation", "init", "{new}", "--clients", "0"], "0"),
        (["federation", "init", "{new}", "--experiment", "nothing"], "unknown experiment"),
        (["federation", "demo", "--experiment", "nothing"], "unknown experiment"),
        (["server", "{new}"], "cannot read"),
        (["client", "{new}"], "cannot read"),
    ],
)
def test_bad_input_ends_with_one_line(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(new=tmp_path / "new") for word in arguments]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_a_missing_key_is_reported(copy: FederationFiles, capsys: pytest.CaptureFixture[str]) -> None:
    load_client(copy.clients[0])
    Path(load_client(copy.clients[0]).key).write_bytes(b"no key")
    assert main(["client", str(copy.clients[0])]) == 2
    assert "expected an ECDSA key on P-384" in capsys.readouterr().err


class _Answer:
    def __init__(self, *known: str | None) -> None:
        self.known = list(known)

    def __call__(self, *_: object) -> str | None:
        return self.known.pop(0)


def test_a_client_waits_for_its_server(monkeypatch: pytest.MonkeyPatch, made: FederationFiles) -> None:
    monkeypatch.setattr(join_module, "hello", _Answer(None, None, "A"))
    monkeypatch.setattr(join_module, "RETRY_SECONDS", 0.0)
    told: list[str] = []
    join_module.wait_for_server("there:1", made.folder / "ca.crt", None, "A", told.append)  # type: ignore[arg-type]
    assert told == ["client A: no server at there:1 yet; waiting"]


def test_a_key_of_another_client_is_refused(monkeypatch: pytest.MonkeyPatch, made: FederationFiles) -> None:
    monkeypatch.setattr(join_module, "hello", _Answer("B"))
    with pytest.raises(FederationError, match="expected that of client A, found that of client B"):
        join_module.wait_for_server("there:1", made.folder / "ca.crt", None, "A", print)  # type: ignore[arg-type]


def test_each_federation_has_a_secret_that_no_client_gets(tmp_path: Path) -> None:
    """Without one, a client that guesses the seed could deal the dataset out as the server did."""
    secrets = set()
    for name in ("one", "other"):
        folder = tmp_path / name
        assert main(["federation", "init", str(folder), "--experiment", TINY]) == 0
        secret = load_experiment(str(folder / "experiment.toml")).secret
        assert len(secret) == 32
        secrets.add(secret)
        for path in folder.glob("client-*"):
            assert secret.encode() not in path.read_bytes()
    assert len(secrets) == 2
    folder = tmp_path / "own"
    assert main(["federation", "init", str(folder), "--experiment", TINY, "--set", "secret=mine"]) == 0
    assert load_experiment(str(folder / "experiment.toml")).secret == "mine"
