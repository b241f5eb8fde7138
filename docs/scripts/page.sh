#!/bin/sh
# Visits the pages of `kbingest serve` in headless Chromium: sh docs/scripts/page.sh [KBINGEST [FOLDER]]
# Writes screenshots to FOLDER (page/), in light and dark, wide and narrow, and with the document beside its hits; fails if axe-core
# finds a serious or critical fault, if the browser reports an error or a breach of the policy, or if keys do not work.
# Needs node, npm and Chromium (Debian: apt-get install chromium nodejs npm); puppeteer-core and axe-core come from npm.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
kbingest=$(cd "$(dirname "${1:-$here/target/release/kbingest}")" && pwd)/kbingest
mkdir -p "${2:-page}"
folder=$(cd "${2:-page}" && pwd)
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
cp -r "$here/examples/handbook/docs" "$work/docs"
cat > "$work/kb.toml" << 'TOML'
[kb]
path = "handbook.kb"
title = "Handbook"
description = "How a team works: releases, incidents, and decisions with their reasons."
[[source.directory]]
name = "docs"
path = "docs"
TOML
# Some runs, so that there is a curve, and a document that fails.
printf '\377\376\101\330\101\330\101\330\101\330\101\330\101\330\101\330' > "$work/docs/broken.txt"
mkdir "$work/later"
find "$work/docs" -name '*.md' | sort | awk 'NR % 2' | while read -r file; do mv "$file" "$work/later/$(echo "$file" | cksum | cut -d' ' -f1)-$(basename "$file")"; done
for file in "$work"/later/* /dev/null; do
    "$kbingest" ingest -q "$work/kb.toml" || [ $? -lt 10 ]
    [ "$file" = /dev/null ] || mv "$file" "$work/docs/"
done
: > "$work/log"
"$kbingest" serve --port 0 "$work/kb.toml" 2> "$work/log" &
server=$!
until grep -q listening "$work/log"; do kill -0 "$server"; sleep 0.1; done
address=$(sed -n 's/^listening on //p' "$work/log")

cd "$work"
npm install --silent --no-audit --no-fund puppeteer-core axe-core
cat > look.mjs << 'JAVASCRIPT'
import puppeteer from "puppeteer-core";
import axe from "axe-core";
import { existsSync } from "node:fs";

const [address, folder] = process.argv.slice(2);
const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox"] });
const faults = [];

async function open(path, { dark = false, width = 1360, scripts = true } = {}) {
  const page = await browser.newPage();
  page.on("console", (message) => message.type() === "error" && faults.push(`${path}: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`${path}: ${error.message}`));
  await page.setViewport({ width, height: 900 });
  await page.setJavaScriptEnabled(scripts);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  await page.goto(address + path, { waitUntil: "networkidle0" });
  return page;
}

async function look(page, name) {
  await page.screenshot({ path: `${folder}/${name}.png` });
  // Evaluated by the debugger, which no policy of the page holds back.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => axe.run());
  for (const one of violations) {
    const places = one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ");
    console.log(`${name}: ${one.impact}: ${one.id}: ${one.help} (${places})`);
    if (["serious", "critical"].includes(one.impact)) faults.push(`${name}: ${one.id}`);
  }
  await page.close();
}

const question = "/?q=how+do+I+undo+a+release";
for (const dark of [false, true]) {
  const shade = dark ? "dark" : "light";
  await look(await open("/", { dark }), `start-${shade}`);
  await look(await open(question, { dark }), `hits-${shade}`);
  await look(await open(question, { dark, width: 390 }), `narrow-${shade}`);
  await look(await open("/status.html", { dark }), `status-${shade}`);

  const page = await open(question, { dark });
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#side #here");
  const focused = await page.evaluate(() => document.activeElement.closest(".hit") === document.querySelector(".hit.open"));
  if (!focused) faults.push("the hit that was opened has lost the focus");
  await look(page, `beside-${shade}`);
}

const keys = await open(question);
await keys.keyboard.press("j");
await keys.keyboard.press("Enter");
await keys.waitForSelector("#side:not([hidden])");
await keys.keyboard.press("Escape");
if (!(await keys.$("#side[hidden]"))) faults.push("Escape does not close the document");
await keys.keyboard.press("/");
if ((await keys.evaluate(() => document.activeElement.id)) !== "q") faults.push("/ does not focus the search");
const link = await keys.$eval(".hit h2 a", (a) => a.getAttribute("href"));
await keys.close();
await look(await open(link), "document-light");
await look(await open(link, { dark: true }), "document-dark");

const plain = await open("/", { scripts: false });
await plain.type("#q", "undo a release");
await Promise.all([plain.waitForNavigation(), plain.keyboard.press("Enter")]);
await Promise.all([plain.waitForNavigation(), plain.click(".hit h2 a")]);
if (!(await plain.$("#here"))) faults.push("without scripts, the passage is not shown");

await browser.close();
for (const fault of faults) console.error(`fault: ${fault}`);
console.log(faults.length ? `${faults.length} faults` : "no serious fault");
process.exitCode = faults.length ? 1 : 0;
JAVASCRIPT
node look.mjs "$address" "$folder"
