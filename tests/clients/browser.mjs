// Opens a page at each service and lets it ask. Questions come in on the standard input, answers go out on the output.

import { readFileSync } from "node:fs";
import chromium from "@sparticuz/chromium";
import { build } from "esbuild";
import { chromium as playwright } from "playwright-core";

const asked = JSON.parse(readFileSync(0, "utf8"));
const folder = import.meta.dirname;
const built = await build({ entryPoints: [`${folder}/page.mjs`], bundle: true, format: "iife", write: false });
const browser = await playwright.launch({
  executablePath: await chromium.executablePath(),
  // Without what weakens the browser's own rules.
  args: chromium.args.filter((each) => !/web-security|site-isolation|insecure/.test(each)),
  headless: true,
});
const context = await browser.newContext();
const answers = {};
const elsewhere = {};
for (const url of asked.urls) {
  const page = await context.newPage();
  // The page itself is not the service's; what it asks is.
  await page.route(`${url}/page`, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
  await page.goto(`${url}/page`);
  await page.addScriptTag({ content: built.outputFiles[0].text });
  const found = await page.evaluate(
    ([descriptors, questions]) => ask(descriptors, questions),
    [asked.descriptors, asked.questions],
  );
  for (const [name, each] of Object.entries(found)) (answers[name] ??= {})[url] = each;

  const stranger = await context.newPage();
  await stranger.route("http://localhost:1/page", (route) =>
    route.fulfill({ contentType: "text/html", body: "<!doctype html>" }),
  );
  await stranger.goto("http://localhost:1/page");
  await stranger.addScriptTag({ content: built.outputFiles[0].text });
  elsewhere[url] = await stranger.evaluate((url) => askElsewhere(url), url);
}
const version = browser.version();
await browser.close();
process.stdout.write(JSON.stringify({ version, answers, elsewhere }));
