"""deploy/prometheus: the files are valid, every alert is tested, and only metrics that exist are named."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from bgjobs.worker.metric_names import COUNTERS, GAUGES, HISTOGRAMS

FOLDER = Path(__file__).resolve().parents[2] / "deploy/prometheus"
RULES = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
TESTS = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]


@pytest.mark.promtool
@pytest.mark.parametrize(
    "command", ["check config prometheus.yml", "check rules --lint-fatal alerts.yml", "test rules alerts_test.yml"]
)
def test_promtool(command: str) -> None:
    done = subprocess.run(["promtool", *command.split()], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.promtool
def test_promtool_notices_a_wrong_rule(tmp_path: Path) -> None:
    """The tests of the rules test something."""
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    rules = tmp_path / "alerts.yml"
    rules.write_text(rules.read_text().replace("bgjobs_stream_lag) > 10000", "bgjobs_stream_lag) > 30000"))
    assert subprocess.run(
        ["promtool", "test", "rules", "alerts_test.yml"], cwd=tmp_path, capture_output=True
    ).returncode


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_is_tested_both_ways(rule: dict[str, str]) -> None:
    cases = [case for test in TESTS for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_only_metrics_that_exist_with_labels_that_they_have(rule: dict[str, str]) -> None:
    specs = {**COUNTERS, **GAUGES, **{f"{name}_bucket": spec for name, spec in HISTOGRAMS.items()}}
    always = {"job", "instance", "le", "severity"}
    labels = {label for match in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in match.split(", ")}
    for name in re.findall(r"bgjobs_\w+", rule["expr"]):
        assert name in specs
        assert labels <= {*always, *specs[name].labels}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"].keys() == {"summary", "description"}
