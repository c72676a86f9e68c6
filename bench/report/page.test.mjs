// The report's page as people see it: see README of the module's target, `make report`.
// UPDATE=1 writes the reference pictures anew; look at them before they are kept.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import pixelmatch from "pixelmatch";
import { PNG } from "pngjs";
import { launch } from "./browser.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const work = mkdtempSync(join(tmpdir(), "tw2parquet-report-"));
const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const widths = [360, 820, 1280];
const schemes = ["light", "dark"];
const pages = {}; // by name
const asked = []; // of the server
let browser, server, origin;

const run = (command, args, options = {}) => execFileSync(command, args, { maxBuffer: 1 << 28, stdio: ["pipe", "pipe", "pipe"], ...options });

// odd is a recording whose texts try to run, or to break the page, as the binary gets them. One title has 10 MB.
function odd() {
  const texts = ["<script>window.ran=true</script>", '"><img src=x onerror=window.ran=true>', "javascript:window.ran=true", "</style><script>window.ran=true</script>",
    "</title><svg onload=window.ran=true>", "\u202ereversed", "\u2066\u2067", "e" + "\u0301".repeat(5000), "W".repeat(100000), "{{.}}", "<!--", "${window.ran=true}"];
  const lines = texts.map((t, i) => ({ chunk_type: "CT_RESULT", chunk_result: { data: {
    data: { url: `https://example.org/${i}`, published: 1704067200000 + i * 86400000, search_indexed: 1704070800000 + i * 86400000, title: i ? t : "T".repeat(10 << 20), lang: t, domain_url: t,
      source_type: [t], sentiment: i - 5, reach: i, engagement: i, world_data: { country_code: t }, extra_author_attributes: { id: t, name: t }, matched: { appearance: t }, [t]: t, [`a.${t}`]: { [t]: 1 } },
    highlighted_data: [{ matched: { project_profiles: [{ id: t, title: t }, { id: "same", title: i ? t : "T".repeat(10 << 20) }] } }] } } }));
  lines.push({ chunk_type: "CT_CONTROL", chunk_control: { resume_offset: "x" } });
  return lines.map((l) => JSON.stringify(l)).join("\n") + "\n";
}

before(async () => {
  run("go", ["build", "-o", join(work, "made"), "./bench/report"], { cwd: join(here, "../.."), env: { ...process.env, CGO_ENABLED: "0" } });
  for (const name of ["troubled", "large", "empty"]) {
    pages[name] = run(join(work, "made"), [name]);
  }
  const binary = join(here, "../../bin/tw2parquet");
  run(binary, ["convert", "-", "--out", join(work, "odd <script>window.ran=true<|script>")], { input: odd() });
  run(binary, ["report", join(work, "odd <script>window.ran=true<|script>"), "--html", join(work, "odd.html")]);
  pages.odd = readFileSync(join(work, "odd.html"));
  run(binary, ["demo", "--out", join(work, "demo")]);
  run(binary, ["report", join(work, "demo"), "--html", join(work, "demo.html")]);
  pages.demo = readFileSync(join(work, "demo.html"));
  server = createServer((request, answer) => {
    asked.push(request.url);
    const page = pages[request.url.slice(1)];
    answer.writeHead(page ? 200 : 404, { "content-type": "text/html" });
    answer.end(page);
  }).listen(0, "127.0.0.1");
  await new Promise((listening) => server.on("listening", listening));
  origin = `http://127.0.0.1:${server.address().port}/`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  server?.close();
  rmSync(work, { recursive: true, force: true });
});

// open shows a page. What it says, asks for or runs is in the second value.
async function open(name, options = {}) {
  const heard = [];
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.on("console", (m) => heard.push(`console: ${m.text()}`));
  page.on("pageerror", (e) => heard.push(`error: ${e.message}`));
  page.on("dialog", (d) => heard.push(`dialog: ${d.message()}`));
  page.on("request", (r) => r.url() === origin + name || r.url().startsWith("data:") || heard.push(`request: ${r.url()}`));
  await page.goto(origin + name);
  return [page, heard, context];
}

for (const name of ["troubled", "large", "empty", "odd", "demo"]) {
  test(`${name}: nothing runs, nothing is asked for, nothing sticks out, axe finds nothing`, async () => {
    assert.ok(pages[name].length < 1e6, `${pages[name].length} bytes`);
    for (const width of widths) {
      for (const colorScheme of schemes) {
        const [page, heard, context] = await open(name, { viewport: { width, height: 900 }, colorScheme });
        await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
        const wide = await page.evaluate((most) => [...document.querySelectorAll("body *")].filter((e) => !e.closest("svg, .skip, thead") && e.getBoundingClientRect().right > most + 1)
          .map((e) => e.outerHTML.slice(0, 120)).slice(0, 3), width);
        assert.deepEqual(wide, [], `${width} ${colorScheme}`);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, `scrolls sideways at ${width}`);
        assert.equal(await page.evaluate(() => window.ran), undefined);
        if (width !== 820 && !(name === "large" && colorScheme === "dark")) {
          await page.evaluate(axe);
          const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
          assert.deepEqual(violations.map((v) => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 160), v.nodes[0].failureSummary.slice(0, 200)]), [], `${width} ${colorScheme}`);
        }
        assert.deepEqual(heard, []);
        await context.close();
      }
    }
  });
}

// What a reader of the source could be led to load is not there at all, CSP or not.
test("no page holds an address to load from, or a handler", async () => {
  for (const name of Object.keys(pages)) {
    const [page, , context] = await open(name);
    const found = await page.evaluate(() => [...document.querySelectorAll("*")].flatMap((e) => [...e.attributes].filter((a) => /^on|^style$/.test(a.name) ||
      ["src", "href", "action", "data", "srcdoc", "xlink:href", "poster"].includes(a.name) && !a.value.startsWith("#") && a.value !== "data:,").map((a) => `${e.tagName} ${a.name}=${a.value}`)));
    assert.deepEqual(found, [], name);
    assert.deepEqual(await page.evaluate(() => [document.scripts.length, document.querySelectorAll("style, link, iframe, object, embed, form, img").length]), [1, 2], name);
    await context.close();
  }
});

test("the policy refuses what a text might smuggle in", async () => {
  const [page, , context] = await open("demo");
  await page.evaluate(() => {
    document.body.insertAdjacentHTML("beforeend", '<img src="/pixel" onerror="window.ran=true"><a href="javascript:window.ran=true" id="bait">x</a>');
    const s = document.createElement("script");
    s.textContent = "window.ran = true";
    document.body.append(s);
    document.getElementById("bait").click();
  });
  await page.waitForFunction(() => document.querySelector("img").complete);
  assert.equal(await page.evaluate(() => window.ran), undefined);
  assert.ok(!asked.includes("/pixel"));
  await context.close();
});

// same holds a picture against the one that is kept.
function same(now, file) {
  if (process.env.UPDATE) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, PNG.sync.write(now, { deflateLevel: 9, colorType: 2 }));
    return;
  }
  assert.ok(existsSync(file), `${file} is missing; UPDATE=1 makes it`);
  const then = PNG.sync.read(readFileSync(file));
  assert.deepEqual([now.width, now.height], [then.width, then.height]);
  const share = pixelmatch(then.data, now.data, null, now.width, now.height, { threshold: 0.2 }) / (now.width * now.height);
  if (share >= 0.002) {
    writeFileSync(file.replace(".png", ".now.png"), PNG.sync.write(now));
  }
  assert.ok(share < 0.002, `${(100 * share).toFixed(2)}% of the pixels differ; the new picture is beside ${file}`);
}

for (const width of widths) {
  for (const colorScheme of schemes) {
    test(`looks as before at ${width}, ${colorScheme}`, async () => {
      const [page, , context] = await open("troubled", { viewport: { width, height: 900 }, colorScheme, deviceScaleFactor: 0.4 });
      const now = PNG.sync.read(await page.screenshot({ fullPage: true }));
      await context.close();
      now.data.forEach((v, i) => (now.data[i] = (v & 0xf0) | (v >> 4))); // 16 shades: a fourth of the bytes to keep
      same(now, join(here, "references", `${width}-${colorScheme}.png`));
    });
  }
}

for (const colorScheme of schemes) {
  test(`the README's picture is of this page, ${colorScheme}`, async () => {
    const [page, , context] = await open("troubled", { viewport: { width: 1120, height: 1180 }, colorScheme, deviceScaleFactor: 0.8 });
    const now = PNG.sync.read(await page.screenshot());
    await context.close();
    same(now, join(here, "../../.github", `report-${colorScheme}.png`));
  });
}

test("numbers are in the reader's language, and there without a script", async () => {
  const rows = '.figures dd.n';
  for (const [options, text] of [[{ locale: "en-US" }, "20,020"], [{ locale: "de-DE" }, "20.020"], [{ locale: "de-DE", javaScriptEnabled: false }, "20,020"]]) {
    const [page, , context] = await open("demo", options);
    assert.equal(await page.locator(rows).first().textContent(), text);
    await context.close();
  }
});

test("everything that opens can be reached and opened by keyboard", async () => {
  const [page, , context] = await open("troubled");
  const stops = await page.evaluate(() => document.querySelectorAll("a[href], summary").length);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  assert.ok((await page.locator(".skip").boundingBox()).x >= 0, "the skip link shows when it has the focus");
  let opened = 0;
  for (let i = 1; i < stops; i++) {
    await page.keyboard.press("Tab");
    const on = await page.evaluate(() => document.activeElement.tagName);
    assert.ok(["A", "SUMMARY"].includes(on), on);
    if (on === "SUMMARY") {
      await page.keyboard.press("Enter");
      opened++;
    }
  }
  assert.equal(await page.evaluate(() => document.querySelectorAll("details[open]").length), opened);
  assert.ok(opened > 4);
  await context.close();
});

test("prints to a PDF without what only a screen can use", async () => {
  for (const [name, most] of [["troubled", 14], ["demo", 9], ["empty", 2]]) {
    const [page, heard, context] = await open(name, { colorScheme: "dark" });
    const pdf = await page.pdf({ format: "A4", printBackground: true });
    const sheets = pdf.toString("latin1").match(/\/Type\s*\/Page[^s]/g).length;
    assert.ok(pdf.subarray(0, 5).toString() === "%PDF-" && sheets > 0 && sheets <= most, `${name}: ${sheets} pages`);
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
    assert.equal(await page.evaluate(() => [...document.querySelectorAll("summary")].filter((e) => e.checkVisibility()).length), 0);
    assert.deepEqual(heard, []);
    await context.close();
  }
});
