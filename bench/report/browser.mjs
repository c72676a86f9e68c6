// A headless Chromium that is the same on every machine: its own binary, and one font.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import bundled from "@sparticuz/chromium";
import { chromium } from "playwright-core";

// CHROME names another binary, where the bundled one (Linux) does not run.
export async function launch() {
  const work = mkdtempSync(join(tmpdir(), "tw2parquet-browser-"));
  const fonts = join(dirname(fileURLToPath(import.meta.resolve("dejavu-fonts-ttf/package.json"))), "ttf");
  const config = join(work, "fonts.conf");
  writeFileSync(config, `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${fonts}</dir><cachedir>${work}</cachedir>
    <selectfont><rejectfont><glob>*Serif*</glob><glob>*Math*</glob><glob>*Condensed*</glob><glob>*ExtraLight*</glob><glob>*Oblique*</glob></rejectfont></selectfont>
    <alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias>
    <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
    <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias></fontconfig>`);
  return chromium.launch({
    executablePath: process.env.CHROME || (await bundled.executablePath()),
    args: ["--no-sandbox", "--font-render-hinting=none", "--disable-gpu", "--force-color-profile=srgb"],
    env: { ...process.env, FONTCONFIG_FILE: config, LANG: "C.UTF-8" },
  });
}
