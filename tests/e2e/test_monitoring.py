"""Prometheus, as deploy/monitoring sets it up, on a running suite: every figure that dashboard and alarms ask for is there, and
an alarm goes off."""
import json
import pathlib
import shutil
import subprocess

import pytest
import requests

from suite import REPO, free_port, wait_for

MONITORING = REPO / "deploy/monitoring"
EXPRESSIONS = [(panel["title"], target["expr"])
               for panel in json.loads((MONITORING / "grafana/dashboard.json").read_text())["panels"]
               for target in panel["targets"]]


class Prometheus:
    def __init__(self, suite, folder):
        config = (MONITORING / "prometheus.yml").read_text().replace("/var/lib/hookswitch", str(suite.home))
        (folder / "prometheus.yml").write_text(config.replace(": 10s", ": 1s"))
        shutil.copy(MONITORING / "alerts.yml", folder)
        address = f"{suite.host}:{free_port(suite.host, 9100, 9900)}"
        self.url = f"http://{address}/api/v1/"
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml",
                                         f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def ask(self, path, **query):
        try:
            reply = requests.get(self.url + path, params=query, timeout=5)
        except requests.ConnectionError:
            assert self.process.poll() is None, pathlib.Path(self.log.name).read_text()[-3000:]
            return None
        return reply.json()["data"] if reply.status_code == 200 else None

    def values(self, expression):
        return [float(row["value"][1]) for row in (self.ask("query", query=expression) or {"result": []})["result"]]

    def alarm(self, name):
        return next((alarm["state"] for alarm in self.ask("alerts")["alerts"] if alarm["labels"]["alertname"] == name), None)

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@pytest.fixture(scope="module")
def prometheus(make_shared, tmp_path_factory):
    if subprocess.run([REPO / "deploy/install-packages", "monitoring"], stdin=subprocess.DEVNULL).returncode:
        pytest.skip("Debian's prometheus cannot be installed here")
    suite = make_shared()
    made = Prometheus(suite, tmp_path_factory.mktemp("prometheus"))
    made.suite = suite
    try:
        wait_for(lambda: made.values('up{job="hookswitch"}') == [1.0], 30, lambda: made.ask("targets"))
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("title, expression", EXPRESSIONS)
def test_the_dashboard_has_its_figures(prometheus, title, expression):
    wait_for(lambda: prometheus.ask("query", query=expression), 10, lambda: f"{title}: Prometheus does not take {expression}")
    if "histogram_quantile" not in expression:  # nothing was measured yet
        wait_for(lambda: prometheus.values(expression), 10, lambda: f"{title}: no figures")


def test_its_token_reads_figures_and_nothing_else(prometheus):
    suite = prometheus.suite
    token = {"Authorization": f"Bearer {(suite.home / 'monitoring/token').read_text().strip()}"}
    api = suite.facts["api"]
    assert requests.get(f"{api}/metrics", headers=token, timeout=5).status_code == 200
    assert requests.get(f"{api}/api/v1/calls", headers=token, timeout=5).status_code == 403
    assert requests.post(f"{api}/api/v1/phone/ring", headers=token, json={}, timeout=5).status_code == 403


def test_a_suite_that_is_away_raises_the_alarm(prometheus):
    rules = prometheus.ask("rules")["groups"][0]["rules"]
    assert all(rule["health"] == "ok" for rule in rules) and len(rules) >= 9
    wait_for(lambda: prometheus.ask("alerts")["alerts"] == [], 20, lambda: prometheus.ask("alerts"))
    prometheus.suite.quickstart("--stop")
    wait_for(lambda: prometheus.alarm("HookswitchDown") in ("pending", "firing"), 30)
