// A page at each service that asks what it is told, line by line: {"url", "client", "question"} in, the answer out. The
// first line names the URLs and has the descriptors; the browser's version answers it. A line without a question asks
// from a page of another origin.

import { createInterface } from "node:readline";
import chromium from "@sparticuz/chromium";
import { build } from "esbuild";
import { chromium as playwright } from "playwright-core";

const folder = import.meta.dirname;
const built = await build({ entryPoints: [`${folder}/page.mjs`], bundle: true, format: "iife", write: false });
const browser = await playwright.launch({
  executablePath: await chromium.executablePath(),
  // The package's own are for Lambdas: they put everything in one process, which now and then dies, and weaken the
  // rules of origins. There is no sandbox in a container.
  args: ["--no-sandbox"],
  headless: true,
});
const context = await browser.newContext();

// The page itself is not the service's; what it asks is.
async function open(origin) {
  const page = await context.newPage();
  await page.route(`${origin}/page`, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
  await page.goto(`${origin}/page`);
  await page.addScriptTag({ content: built.outputFiles[0].text });
  return page;
}

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const stranger = await open("http://localhost:1");
const pages = {};
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  if (told.urls) {
    for (const url of told.urls) {
      pages[url] = await open(url);
      await pages[url].evaluate((descriptors) => begin(descriptors), told.descriptors);
    }
    say(browser.version());
  } else if (told.question) {
    say(await pages[told.url].evaluate(([client, question]) => ask(client, question), [told.client, told.question]));
  } else {
    say(await stranger.evaluate((url) => askElsewhere(url), told.url));
  }
}
await browser.close();
