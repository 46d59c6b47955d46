from qkd_qiskit.baselines import BASELINES
from qkd_qiskit.evaluation import COMPARED, DIFFERENCES, REQUIRED_MODELS, model_title


def test_every_model_has_one_line():
    names = [model.name for model in COMPARED]
    assert len(set(names)) == len(names)
    assert len({model.title for model in COMPARED}) == len(names)
    assert {baseline.name for baseline in BASELINES} < set(names)


def test_differences_come_by_their_ranks():
    ranks = {model.name: model.comparison for model in COMPARED if model.comparison is not None}
    assert [ranks[name] for name in DIFFERENCES] == list(range(1, len(ranks) + 1))
    assert "global" not in DIFFERENCES


def test_results_need_no_model_that_settings_may_leave_out():
    assert "fedprox" not in REQUIRED_MODELS
    assert {"global", "fedavg", "rbf_svm"} <= set(REQUIRED_MODELS)


def test_an_unknown_model_is_titled_by_its_name():
    assert model_title("fedavg") == "FedAvg"
    assert model_title("one_more_model") == "one more model"
