"""The page in headless Chromium: what it shows is what the service answered, and nothing else happens."""

import json
import urllib.parse

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

SERVICE = "/tollwatch.v1.FeatureService/"
VIEWS = {"desktop": (1280, 900, "light"), "desktop-dark": (1280, 900, "dark"), "laptop": (1160, 800, "light"), "tablet": (820, 1180, "light"), "narrow": (485, 900, "light"), "phone": (360, 740, "light"), "phone-dark": (390, 844, "dark")}
TOKEN = "0123456789abcdef"
# Rules of WCAG 2.1, levels A and AA, and of good practice.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}

# Names, descriptions and values that are outside of the box of their table without a hint, or not drawn. Where a row stands
# alone, its values have the names of their windows.
UNSEEN = """() => [...document.querySelectorAll("#tables .scroll:not(details *)")].flatMap((box) => {
  const outer = box.getBoundingClientRect();
  const told = box.closest(".more-right")?.parentElement.querySelector(".hint").checkVisibility();
  return [...box.querySelectorAll("tbody th, tbody th small, tbody td:not(.off)")].filter((cell) => {
    const inner = cell.getBoundingClientRect();
    const alone = getComputedStyle(cell.closest("tr")).display === "grid" && cell.matches("td");
    const named = !alone || getComputedStyle(cell, "::before").content === JSON.stringify(cell.dataset.label);
    return inner.width === 0 || !named || (inner.right > outer.right + 1 && !told);
  }).map((cell) => cell.innerText);
})"""

# Values whose first line, before the error of an estimate, is more than one line.
BROKEN = """() => [...document.querySelectorAll("#tables .scroll:not(details *) td:not(.off)")].filter((cell) => {
  const range = document.createRange();
  range.selectNodeContents(cell.firstChild);
  return range.getClientRects().length > 1;
}).map((cell) => cell.innerText)"""


def check(report, url, number, chromium, screenshots, hostile):
    screenshots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # A container has no sandbox of its own for Chromium to use as root.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for view, (width, height, scheme) in VIEWS.items():
            with Visit(browser, report, url, width, height, scheme) as visit:
                visit.ask(number)
                looks(report, visit, view, screenshots)
        with Visit(browser, report, url, width=360) as visit:
            long_values(report, visit, number)
        with Visit(browser, report, url) as visit:
            shows(report, visit, number, hostile)
            highest(report, visit, number)
            lacking(report, visit, number)
            levels(report, visit, number)
            refusals(report, visit, number)
        with Visit(browser, report, url) as visit:
            tokens(report, visit, number)
        with Visit(browser, report, url) as visit:
            poisoned(report, visit, number)
        without_script(report, browser, url)
        browser.close()


class Visit:
    """A page that was opened, with all that it asked for and complained of."""

    def __init__(self, browser, report, url, width=1280, height=900, scheme="light"):
        self.report = report
        self.url = url
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")
        self.page = self.context.new_page()
        self.requests = []
        self.complaints = []
        self.page.on("request", lambda request: self.requests.append(request))
        self.page.on("console", lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.numbers = set()
        # A refused call is one that the browser logs.
        self.refusals_expected = False

    def __enter__(self):
        self.page.goto(self.url)
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            urls = [request.url for request in self.requests]
            elsewhere = [url for url in urls if not url.startswith(f"{self.url}/")]
            self.report.check("everything comes from the service", not elsewhere, elsewhere)
            digits = {number.lstrip("+") for number in self.numbers}
            told = [url for url in [*urls, self.page.url] if "?" in url or any(number in urllib.parse.unquote(url) for number in digits)]
            self.report.check("no URL has a number or a query", not told, told)
            referrers = [value for request in self.requests if (value := request.headers.get("referer"))]
            self.report.check("no request says where it came from", not referrers, referrers)
            complaints = [text for text in self.complaints if not (self.refusals_expected and "Failed to load resource" in text)]
            self.report.check("the browser has nothing to complain of", not complaints, complaints)
        self.context.close()

    def ask(self, number, level=None, party=None):
        """Asks as a person would, by keyboard; what the service answered by method."""
        page = self.page
        self.numbers.add(number)
        if level:
            page.get_by_label("Level").select_option(level)
        if party:
            page.get_by_label("Side of the call").select_option(party)
        page.get_by_label("Number").fill(number)
        answers = {}

        def keep(response):
            if SERVICE in response.url:
                answers[response.url.split(SERVICE)[1]] = response

        page.on("response", keep)
        page.get_by_label("Number").press("Enter")
        page.locator("#show[aria-disabled=false]").wait_for()
        page.remove_listener("response", keep)
        return {method: response.json() for method, response in answers.items()}


def looks(report, visit, view, screenshots):
    page = visit.page
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    report.check(f"{view}: the page is as wide as the window", wide <= 0, f"{wide} px more")
    unseen = page.evaluate(UNSEEN)
    report.check(f"{view}: every window of every feature is seen, or the table says that it scrolls", not unseen, unseen[:3])
    narrow = page.viewport_size["width"] < 1100
    scrolls = page.locator("#tables .scroll:not(details *)").evaluate_all("boxes => boxes.some(box => box.scrollWidth > box.clientWidth)")
    report.check(f"{view}: a narrow window needs no scrolling sideways", not (narrow and scrolls))
    page.screenshot(path=screenshots / f"{view}.png", full_page=True)
    for summary in page.locator("summary").all():
        summary.click()
    for box in page.get_by_role("region", name="what each window covers").all():
        hidden = box.evaluate("box => [box.scrollWidth - box.clientWidth, box.scrollHeight - box.clientHeight]")
        report.check(f"{view}: all rows of what each window covers are seen", max(hidden) <= 0, f"{hidden} px more")
    violations = Axe().run(page, options=RULES).response["violations"]
    found = [f"{violation['id']}: {violation['nodes'][0]['html'][:200]}" for violation in violations]
    report.check(f"{view}: axe finds nothing", not found, found)
    page.screenshot(path=screenshots / f"{view}-open.png", full_page=True)


def shows(report, visit, number, hostile):
    page = visit.page
    focused = page.evaluate("document.activeElement.id")
    report.check("the number field has the focus at first", focused == "number", focused)
    answers = visit.ask(number)
    answer, series, listed = answers["GetFeatures"], answers["GetSeries"], answers["ListFeatures"]
    features = {(feature["party"], feature["id"]): feature for feature in listed["features"]}
    for party, name in [("PARTY_CALLER", "As caller"), ("PARTY_CALLEE", "As callee")]:
        values = [value for value in answer["values"] if value["party"] == party]
        table = page.get_by_role("region", name=name).first.locator("table").first
        heads = [head.split("\n")[0] for head in table.locator("thead th").all_inner_texts()][1:]
        windows = {features[party, value["id"]]["window"] for value in values}
        report.check(f"{name}: a column for each window", sorted(heads) == sorted(windows), (heads, windows))
        rows = {row.locator("th").first.inner_text().split("\n")[0].strip(): row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()}
        names = {features[party, value["id"]]["name"] for value in values}
        report.check(f"{name}: a row for each feature", set(rows) == names, set(rows) ^ names)
        wrong = []
        for value in values:
            feature = features[party, value["id"]]
            cell = rows[feature["name"]][heads.index(feature["window"])]
            if not says(cell, value):
                wrong.append((value, cell))
        report.check(f"{name}: each of {len(values)} cells says what was answered", not wrong, wrong[:3])
    text = page.get_by_role("region", name="As caller").first.inner_text()
    report.check("a hostile text is shown as it is", hostile in text, text[:200])
    harmless(report, page, "the definitions")

    drawn = {kind: page.locator(f"#chart-{kind} svg.chart > g") for kind in ("minutes", "days")}
    for kind, bars in drawn.items():
        points = series[kind]
        report.check(f"{kind}: a bar for each of {len(points)} points", bars.count() == len(points) == {"minutes": 61, "days": 30}[kind], bars.count())
        shaded = bars.locator(".missing").count()
        unknown = sum("integer" not in point and "number" not in point for point in points)
        report.check(f"{kind}: {unknown} that are not known are shaded", shaded == unknown, shaded)
        heights = bars.evaluate_all("bars => bars.map(bar => bar.firstChild.classList.contains('missing') ? null : +bar.firstChild.getAttribute('height'))")
        values = [int(point["integer"]) if "integer" in point else None for point in points]
        top = max(value for value in values if value is not None)
        # The highest bar leaves a little room above.
        fits = all(height is None if value is None else abs(height - 98 * value / max(top, 1)) < 1.001 for height, value in zip(heights, values, strict=True))
        report.check(f"{kind}: bars are as high as their values", fits and top > 0, (heights, values))
    unknown = sum(point.get("missingReason") == "MISSING_REASON_NO_RECORDS" for point in series["days"])
    report.check("days before the calls begin are not known", unknown > 15, unknown)

    chosen = page.get_by_label("Feature", exact=True)
    report.check("the charts say what they show", chosen.input_value() == "PARTY_CALLER:calls", chosen.input_value())
    with page.expect_response(lambda response: response.url.endswith("GetSeries")) as asked:
        chosen.select_option("PARTY_CALLER:distinct_callees")
    body = json.loads(asked.value.request.post_data)
    expected = {"number": number, "level": "LEVEL_PHONE", "party": "PARTY_CALLER", "feature": "distinct_callees"}
    report.check("another feature is asked for by name", body == expected, body)
    said = page.get_by_role("status").filter(has_text="Charts show distinct_callees.")
    said.wait_for()
    report.check("and what was answered for is still said", said.inner_text().startswith(f"Answered for phone {number}."), said.inner_text())
    again = asked.value.json()
    page.locator("#chart-days summary").click()
    cells = page.locator("#chart-days tbody tr").all_inner_texts()
    said = [cell.split("\t") for cell in cells]
    wrong = [(cell, point) for cell, point in zip(said, reversed(again["days"]), strict=True) if cell[0] != point["start"][:10] or not says(cell[1], point)]
    report.check("the table below a chart says what was answered", not wrong, wrong[:3])


def says(cell, value):
    """Whether a cell says a value: whole numbers with commas, others to six digits and no less than whole, or the reason
    why there is none."""
    if "integer" in value:
        return f"{int(value['integer']):,}" == cell.split("\n")[0].lstrip("†‡≈ ").split(" ±")[0]
    if "number" in value:
        shown = float(cell.split("\n")[0].lstrip("†‡≈ ").split(" ±")[0].replace(",", ""))
        return abs(shown - value["number"]) <= min(1e-5 * abs(value["number"]), 0.5)
    reasons = {"NO_CALLS": "no calls", "NO_SNAPSHOT": "no snapshot", "EXPIRED": "not kept", "UNAVAILABLE": "unavailable", "NO_RECORDS": "no records"}
    return cell.strip() == reasons[value["missingReason"].removeprefix("MISSING_REASON_")]


class Played:
    """Answers of a method that are changed on their way to the page."""

    def __init__(self, visit, method, change):
        self.page = visit.page
        self.pattern = f"**{SERVICE}{method}"
        self.change = change

    def __enter__(self):
        def play(route):
            answer = route.fetch().json()
            self.change(answer)
            route.fulfill(status=200, content_type="application/json", body=json.dumps(answer))

        self.page.route(self.pattern, play)

    def __exit__(self, *_):
        self.page.unroute(self.pattern)


def long_values(report, visit, number):
    """Ten digits and a mark are in one piece on a phone."""
    page = visit.page

    def change(answer):
        for value in answer["values"]:
            if "integer" in value:
                value |= {"integer": "7209100178", "gapDays": 1, "relativeError": 0.0125}
            elif "number" in value:
                value |= {"number": 0.000190404, "gapDays": 1}

    with Played(visit, "GetFeatures", change):
        visit.ask(number)
    broken = page.evaluate(BROKEN)
    report.check("long values are not broken", not broken, broken[:3])
    unseen = page.evaluate(UNSEEN)
    report.check("and not outside", not unseen, unseen[:3])


def highest(report, visit, number):
    """A mean of more than a million is no rate, and is not above the maximum."""
    page = visit.page
    longest = 1_331_219

    def change(series):
        series["feature"] = "mean_talk_ms"
        for kind in ("minutes", "days"):
            for point in series[kind]:
                point.pop("integer", None)
                point["number"] = 1000.5
            series[kind][-2]["number"] = longest + 0.25

    with Played(visit, "GetSeries", change):
        visit.ask(number)
    for kind, when in [("minutes", "in a minute"), ("days", "on a day")]:
        caption = page.locator(f"#chart-{kind} figcaption small").inner_text()
        report.check(f"{kind}: the highest is said as it is, and of no rate", caption == f"highest {longest:,} {when}", caption)
        page.locator(f"#chart-{kind} summary").click()
        cell = page.locator(f"#chart-{kind} tbody tr").nth(1).locator("td").first.inner_text()
        spoken = page.locator(f"#chart-{kind} svg").get_attribute("aria-label")
        report.check(f"{kind}: so say its table and its description", cell == f"{longest:,}" and caption in spoken, (cell, spoken))
    visit.ask(number)


def lacking(report, visit, number):
    """Days that are over and may lack calls all the same, as when the batch job is not told that all have arrived."""
    page = visit.page

    def change(series):
        for point in series["days"][-3:]:
            point |= {"integer": "7", "incomplete": True, "source": "SOURCE_BATCH"}
            point.pop("missingReason", None)

    with Played(visit, "GetSeries", change):
        visit.ask(number)
    bars = page.locator("#chart-days svg > g")
    pale = bars.evaluate_all("bars => bars.slice(-3).every(bar => bar.querySelector('rect.incomplete'))")
    said = [text.split(": ", 1)[1] for text in bars.locator("title").all_text_contents()[-3:]]
    expected = ["7 (may lack calls)", "7 (may lack calls)", "7 (not over yet)"]
    report.check("days that may lack calls are pale, and only the last is not over", pale and said == expected, (pale, said))
    page.locator("#chart-days summary").click()
    rows = page.locator("#chart-days tbody tr td:last-child").all_inner_texts()[:3]
    report.check("so says their table", rows == ["batch; not over yet", "batch; may lack calls", "batch; may lack calls"], rows)
    legend = page.locator(".legend li:has(.incomplete)").inner_text()
    reasons = ["not over", "left out", "not told that all had arrived"]
    report.check("the legend has every reason", all(reason in legend for reason in reasons), legend)
    visit.ask(number)


def levels(report, visit, number):
    page = visit.page
    answers = visit.ask(number, "LEVEL_PREFIX", "PARTY_CALLER")
    key = answers["GetFeatures"]["entity"]["key"]
    facts = page.locator("#facts").inner_text()
    report.check("a prefix is answered for", "Prefix" in facts and key in facts and 1 < len(key) < len(number), facts)
    tables = page.locator("#tables h2").all_inner_texts()
    report.check("one side of the call has one table", tables == ["As caller"], tables)
    answer = visit.ask(number, "LEVEL_RANGE", "PARTY_UNSPECIFIED")["GetFeatures"]
    ends = {value["windowEnd"] for value in answer["values"]}
    [end] = ends
    report.check("days of a range end before now", end < answer["asOf"], (end, answer["asOf"]))
    expected = f"1d, 7d, 30d, 90d end at {end[:10]} 00:00:00 UTC, with the snapshot: 1d is "
    said = page.locator("#tables .ends").all_inner_texts()
    report.check("each table of a range says when its days end", len(said) == 2 and all(text.startswith(expected) for text in said), said)
    text = page.locator("#charts").inner_text()
    report.check("a range has no minutes, and the page says so", "keeps no tiles" in text, text)
    answer = visit.ask(number, "LEVEL_PHONE")["GetFeatures"]
    late = all(value["windowEnd"] == answer["asOf"] for value in answer["values"])
    report.check("days of a phone end now, and nothing is said of it", late and page.locator("#tables .ends").count() == 0)


def refusals(report, visit, number):
    page = visit.page
    visit.refusals_expected = True
    visit.ask("anonymous")
    alert = page.locator("#problem")
    report.check("a refusal says the rule", "withheld numbers" in alert.inner_text(), alert.inner_text())
    report.check("a refusal is an alert", alert.get_attribute("role") == "alert")
    report.check("an answer of before is gone", page.locator("#answer").is_hidden())
    visit.ask("12345678901234567890")
    said = alert.inner_text()
    report.check("what is no number is refused, in characters", said.startswith("The number, 20 characters long, ") and "byte" not in said, said)
    visit.ask("1" * 81)
    said = alert.inner_text()
    report.check("so is what is too long", said.endswith("is too long for a number: wants at most 80 characters"), said)
    visit.ask("１２３４")
    said = alert.inner_text()
    report.check("which are not bytes", said.startswith("The number, 4 characters long, "), said)
    page.route(f"**{SERVICE}*", lambda route: route.abort())
    page.get_by_label("Number").fill(number)
    page.get_by_role("button", name="Show").click()
    alert.filter(has_text="cannot be reached").wait_for()
    report.check("a service that is gone is said", True)
    page.unroute(f"**{SERVICE}*")
    visit.ask(number)
    report.check("and one that is back answers", page.locator("#answer").is_visible() and alert.is_hidden())


def tokens(report, visit, number):
    """A service that asks for a token, played in front of the one that does not."""
    page = visit.page
    visit.refusals_expected = True
    given = []

    def guard(route):
        given.append(route.request.headers.get("authorization"))
        if given[-1] == f"Bearer {TOKEN}":
            route.continue_()
        else:
            body = json.dumps({"code": "unauthenticated", "message": "no token"})
            route.fulfill(status=401, content_type="application/json", body=body)

    page.route(f"**{SERVICE}*", guard)
    field = page.get_by_label("Token")
    report.check("no token is asked for at first", field.is_hidden())
    visit.ask(number)
    focused = page.evaluate("document.activeElement.id")
    report.check("a token is asked for when the service wants one", field.is_visible() and focused == "token", focused)
    field.fill("wrong")
    visit.ask(number)
    report.check("a wrong token is said to be one", "does not know this token" in page.locator("#problem").inner_text())
    field.fill(TOKEN)
    visit.ask(number)
    report.check("with the token there is an answer", page.locator("#answer").is_visible())
    sent = [token for token in given if token not in (None, "Bearer wrong", f"Bearer {TOKEN}")]
    report.check("tokens are sent as they were given", not sent, sent)
    stored = page.evaluate("[document.cookie, Object.keys(localStorage).length, Object.keys(sessionStorage).length]")
    report.check("nothing is stored", stored == ["", 0, 0], stored)


def poisoned(report, visit, number):
    """Every text of every answer is replaced by one that would run if it were taken for markup."""
    page = visit.page
    text = "<img src=x onerror=\"document.title='owned'\"><svg/onload=document.title='owned'><script>document.title='owned'</script>"

    def poison(route):
        answer = route.fetch().json()
        kept = {"party", "level", "levels", "start", "asOf", "windowStart", "windowEnd", "newestEvent", "window", "integer"}

        def replace(value, name=""):
            if isinstance(value, dict):
                return {key: replace(inner, key) for key, inner in value.items()}
            if isinstance(value, list):
                return [replace(inner, name) for inner in value]
            return text if isinstance(value, str) and name not in kept else value

        answer = replace(answer)
        answer["degradedReasons"] = [text]
        answer["dayGaps"] = [{"firstDate": text, "lastDate": text, "reason": text}]
        route.fulfill(status=200, content_type="application/json", body=json.dumps(answer))

    page.route(f"**{SERVICE}*", poison)
    visit.ask(number)
    report.check("a poisoned answer is shown", page.locator("#answer").is_visible(), page.locator("#problem").inner_text())
    for place in ["#degraded", "#gaps", "#facts", "#tables", "#version"]:
        report.check(f"{place} shows the text as it is", "onerror=" in page.locator(place).inner_text())
    harmless(report, page, "answers")
    page.unroute(f"**{SERVICE}*")
    refused = json.dumps({"code": "unavailable", "message": text})
    page.route(f"**{SERVICE}*", lambda route: route.fulfill(status=503, content_type="application/json", body=refused))
    visit.refusals_expected = True
    visit.ask(number)
    report.check("so does an error", "onerror=" in page.locator("#problem").inner_text())
    harmless(report, page, "errors")


def harmless(report, page, source):
    made = page.evaluate("document.querySelectorAll('img:not([src=\"icon.svg\"]), main script, main b, main iframe, svg:not(.chart)').length")
    title = page.title()
    report.check(f"nothing of {source} became markup", made == 0 and title == "Tollwatch", (made, title))


def without_script(report, browser, url):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    text = page.locator("main").inner_text()
    report.check("without a script the page says so", "needs JavaScript" in text, text)
    page.get_by_label("Number").fill("+12025550101")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    # The policy stops the form: there is no navigation to wait for.
    page.get_by_role("button", name="Show").click(no_wait_after=True)
    page.wait_for_timeout(300)
    report.check("and sends nothing", not asked and page.url.rstrip("/") == url, asked or page.url)
    context.close()
