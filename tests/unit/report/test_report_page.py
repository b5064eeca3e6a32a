"""The HTML page of a report: complete, self-contained, correct, and the same for the same run."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from simulation.model.metrics import MetricsTotals
from simulation.model.numbers import number
from simulation.model.result import CheckResult, CoverageItem, CriterionResult, MetricSample, RunResult, Verdict
from simulation.report.html import gauge, render_page
from simulation.report.plots import draw_plots

VOID = {"meta", "link", "br", "path", "use", "rect"}
PLOTS = ["operations", "arms", "latency", "throughput", "hits", "event_latency", "event_latency_over_time", "database"]


class Page(HTMLParser):
    """The page as a browser parses it: tags with their attributes, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += " " + data


@pytest.fixture(scope="module")
def passed_page(passed_run: RunResult) -> str:
    return render_page(passed_run)


@pytest.fixture(scope="module")
def failed_page(failed_run: RunResult) -> str:
    return render_page(failed_run)


def test_tags_are_nested_correctly(passed_page: str) -> None:
    assert Page(passed_page).open == []


def test_the_page_loads_nothing_from_the_network(passed_page: str) -> None:
    page = Page(passed_page)
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), f"{tag} {name}={value}"
    assert not re.search(r"url\((?!['\"]?#)", passed_page)
    assert "@import" not in passed_page
    policy = next(a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert "default-src 'none'" in policy


def test_the_page_stays_below_a_megabyte(passed_page: str) -> None:
    assert len(passed_page.encode()) < 300_000


def test_the_page_is_the_same_for_the_same_run(passed_run: RunResult, passed_page: str) -> None:
    assert render_page(passed_run) == passed_page


def test_the_verdict_is_a_word_and_a_sentence(passed_page: str, failed_page: str) -> None:
    assert re.search(r"<h1>Passed</h1>\s*<p class=\"sentence\">Every safety check passed, and every", passed_page)
    assert re.search(r"<h1>Failed</h1>\s*<p class=\"sentence\">1 of 6 safety checks failed and 1 of 4", failed_page)
    assert "First problem" not in Page(passed_page).text
    assert "First problem" in Page(failed_page).text


def test_every_criterion_shows_target_and_measured_value(failed_run: RunResult, failed_page: str) -> None:
    text = " ".join(Page(failed_page).text.split())
    for criterion in failed_run.criteria:
        assert criterion.title in text
        assert f"target: {criterion.target}" in text
        assert criterion.how in text
    assert "38.9 ms" in text


def test_an_informational_criterion_is_shown(passed_run: RunResult) -> None:
    aside = replace(passed_run.criteria[2], verdict=Verdict.FAIL, measured=13.3, required=False)
    page = render_page(replace(passed_run, criteria=(*passed_run.criteria[:2], aside, passed_run.criteria[3])))
    text = " ".join(Page(page).text.split())
    assert f"for information in this scenario {aside.title} 13.3 ms target: below 10 ms" in text
    assert "✗" not in text
    assert page.count('<article class="card criterion PASS">') == 3


def test_every_check_shows_its_number_of_examined_items_and_the_first_violations(
    failed_run: RunResult, failed_page: str
) -> None:
    text = " ".join(Page(failed_page).text.split())
    for check in failed_run.checks:
        assert f"{check.title}" in text
        assert f"{check.examined:,}" in text
    assert "at 11.310 s the same accounts sum to 1,010.00 BRL" in text
    assert "and 1 more" in text


def test_texts_of_users_are_escaped(failed_run: RunResult) -> None:
    evil = "<script>alert(1)</script><img src=http://example.org>"
    check = CheckResult(evil, evil, Verdict.FAIL, 1, 1, (evil,), evil)
    samples = tuple(replace(sample, operation=evil) for sample in failed_run.samples[:200])
    run = replace(failed_run, scenario=evil, checks=(check,), notes=(evil,), replay_command=evil, samples=samples)
    page = render_page(run)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert Page(page).open == []


def test_the_run_can_be_replayed_from_the_page(passed_run: RunResult, passed_page: str) -> None:
    assert f'<code id="replay">{passed_run.replay_command}</code>' in passed_page
    for fact in ("first_day", "9f3ab2c41d07", "embedded", "30 s at 100/s", "22 Nov 2026, 16:03 UTC", "52 s"):
        assert f"<dd>{fact}</dd>" in passed_page


def test_missing_coverage_is_shown(failed_page: str) -> None:
    assert re.search(r'class="card UNKNOWN"><b>\? never</b>A worker taken over', failed_page)


def test_restarts_and_notes_are_shown(passed_run: RunResult, passed_page: str) -> None:
    text = " ".join(Page(passed_page).text.split())
    assert "17.0 s worker-2 restarted: killed with signal 9, as planned" in text
    assert passed_run.notes[0] in text


def test_the_page_says_that_lines_were_reduced(passed_page: str) -> None:
    assert "windows of 1 s" in passed_page


def test_the_plots_use_the_colours_of_the_page(passed_page: str) -> None:
    svg = "".join(re.findall(r"<svg.*?</svg>", passed_page, re.DOTALL))
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []
    used = set(re.findall(r"var\((--\w+)\)", svg))
    light, dark = (
        set(re.findall(r"(--\w+):", block)) for block in re.findall(r":root \{(.*?)\}", passed_page, re.DOTALL)
    )
    assert used <= light
    assert light == dark


def test_every_measured_series_has_a_plot(passed_run: RunResult) -> None:
    plots = draw_plots(passed_run)
    assert [plot.name for plot in plots] == PLOTS
    for plot in plots:
        assert plot.svg.startswith(f'<svg role="img" aria-label="{plot.title}"')


def test_plots_name_their_series(passed_run: RunResult) -> None:
    texts = {
        plot.name: re.findall(r"<text[^>]*>([^<]*)</text>", plot.svg) + [key.label for key in plot.legend]
        for plot in draw_plots(passed_run)
    }
    assert {"p50", "p95", "p99", "Transfer", "Login"} <= set(texts["operations"])
    assert {"cached", "uncached", "AccountHistory"} <= set(texts["arms"])
    assert {"answered", "refused", "unknown", "worker restarted"} <= set(texts["throughput"])
    assert {"target: at least 80 %", "hit ratio"} <= set(texts["hits"])
    assert {"bound: 10 ms", "0.5", "1"} <= set(texts["event_latency"])
    assert {"cache hit", "miss", "cache bypassed", "bound: 50 ms"} <= set(texts["database"])


def test_every_entry_of_a_legend_has_a_colour_of_the_page(passed_run: RunResult, passed_page: str) -> None:
    legends = {plot.name: plot.legend for plot in draw_plots(passed_run)}
    assert [(key.label, key.colour, key.shape) for key in legends["operations"]] == [
        ("p99", "p99", "dot"), ("p95", "p95", "dot"), ("p50", "p50", "dot")
    ]  # fmt: skip
    assert ("target: at least 80 %", "bound", "dashes") in [(k.label, k.colour, k.shape) for k in legends["hits"]]
    assert ("refused", "refused", "area") in [(k.label, k.colour, k.shape) for k in legends["throughput"]]
    for legend in legends.values():
        assert legend
        for key in legend:
            assert f'style="--key: var(--{key.colour})"></i>{key.label}</li>' in passed_page


def test_coverage_that_no_scenario_requires_is_collapsed(passed_run: RunResult) -> None:
    others = [CoverageItem(f"other_{n}", f"Something else, number {n}", 0, required=False) for n in range(37)]
    page = render_page(replace(passed_run, coverage=(*passed_run.coverage, *others)))
    folded = re.findall(r'<details class="unseen">.*?</details>', page, re.DOTALL)
    assert len(folded) == 1
    assert "37 not seen" in folded[0]
    assert all(other.title in folded[0] for other in others)
    assert page.count("Something else") == 37


def test_the_page_says_which_version_ran_on_which_machine(passed_page: str) -> None:
    text = " ".join(Page(passed_page).text.split())
    assert "Commit 0123456789ab" in text
    assert "Version 0.1.0" in text
    assert "Linux 6.8 x86_64, 2 cores, load 0.4 before, Python 3.11.9" in text
    assert "the run used 60%, others 3%, the hypervisor kept 0%; disturbed in 1 of 30 seconds" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (32_345.6, "32,346"),
        (1e9, "1,000,000,000"),
        (99.97, "100"),
        (12.345, "12.3"),
        (0.00004, "below 0.001"),
        (0, "0"),
    ],
)
def test_no_number_is_written_in_powers_of_ten(value: float, shown: str) -> None:
    assert number(value) == shown


def test_an_interval_without_reads_has_no_hit_ratio(passed_run: RunResult) -> None:
    silence = MetricSample(31.0, {"cache_hits": 0.0, "cache_misses": 0.0})
    drawn = next(plot for plot in draw_plots(passed_run) if plot.name == "hits")
    with_silence = draw_plots(replace(passed_run, metrics=(*passed_run.metrics, silence)))
    assert next(plot for plot in with_silence if plot.name == "hits") == drawn
    assert "hits" not in [plot.name for plot in draw_plots(replace(passed_run, metrics=(silence,)))]


def test_a_run_without_measurements_has_a_page_without_plots(passed_run: RunResult) -> None:
    bare = replace(
        passed_run, samples=(), metrics=(), totals=MetricsTotals(), checks=(), criteria=(), coverage=(), notes=()
    )
    text = Page(render_page(bare)).text
    assert draw_plots(bare) == ()
    assert "No safety check examined this run" in text
    assert "The drive had no requests" in text


def criterion(measured: float, target: str, unit: str, interval: tuple[float, float] | None = None) -> CriterionResult:
    return CriterionResult("x", "X", "1", unit, target, measured, 300, Verdict.PASS, "so", interval)


def test_a_gauge_shows_value_and_bound_at_their_positions() -> None:
    share = gauge(criterion(88.8, "at least 80 %", "%"))
    assert share is not None
    assert share.value == pytest.approx(88.8)
    assert (share.bound, share.better) == (80.0, "right")
    slow = gauge(criterion(40, "below 10 ms", "ms", (25, 50)))
    assert slow is not None
    assert slow.bound < slow.low < slow.value < slow.high <= 100
    assert slow.better == "left"


def test_a_gauge_stays_inside_its_bar_for_any_value() -> None:
    for bar in (
        gauge(criterion(-250.0, "at least 50 %", "%", (-300.0, -200.0))),
        gauge(criterion(100.0, "below 10 ms", "ms", (100.0, float("inf")))),
    ):
        assert bar is not None
        assert all(0 <= x <= 100 for x in (bar.value, bar.bound, bar.low, bar.high))
