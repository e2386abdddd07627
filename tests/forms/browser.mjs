// A person at the form: one command a line on standard input, as JSON, and one answer a line on standard output.
// Arguments: the browser's executable, the page.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, pageFile] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  // The page is on this disk and fetches nothing, and neither may the browser behind it.
  args: ["--disable-gpu", "--disable-quic", "--host-resolver-rules=MAP * ~NOTFOUND"],
});
const page = await browser.newPage({ viewport: { width: 720, height: 800 } });
page.setDefaultTimeout(10_000);
const complaints = [];
page.on("pageerror", (error) => complaints.push(error.message));
page.on("console", (message) => ["warning", "error"].includes(message.type()) && complaints.push(message.text()));
await page.goto(pathToFileURL(pageFile).href);

const named = (title) => new RegExp(`^${title.replace(/[^\w ]/g, "\\$&")}\\*?$`);
const save = () => page.getByRole("button", { name: "Save" });

const commands = {
  async open({ schema }) {
    await page.evaluate((drawn) => window.draw(drawn), schema);
    await page.getByText(schema.title, { exact: true }).waitFor();
    await save().waitFor();
  },

  async type({ title, text }) {
    const box = page.getByLabel(named(title));
    await box.click();
    await box.press("ControlOrMeta+A");
    await box.press("Delete");
    await page.keyboard.type(text);
    await page.keyboard.press("Tab");
  },

  async add({ title, text }) {
    const list = page.getByRole("group", { name: named(title) });
    await list.getByRole("button", { name: "Add" }).click();
    await list.getByRole("textbox").last().click();
    await page.keyboard.type(text);
  },

  // What the form hands over, or null if it refuses.
  async save() {
    await save().click();
    return page.evaluate(() => window.saved);
  },

  // What is seen of every field, in the order of the page. `read` is what its box shows as readable text.
  look: () =>
    page.evaluate(() =>
      [...document.querySelectorAll("#form .rjsf-field-object > fieldset > .rjsf-field")].map((field) => {
        const shown = (selector) => field.querySelector(selector)?.innerText ?? "";
        const boxes = [...field.querySelectorAll("input")];
        return {
          title: shown("label, legend"),
          description: shown(".field-description"),
          refusal: shown(".error-detail"),
          kinds: boxes.map((box) => box.type),
          read: boxes.map((box) => (box.type === "password" ? "" : box.value)),
        };
      }),
    ),

  text: () => page.locator("body").innerText(),
  complaints: () => complaints,

  async picture({ path }) {
    await page.evaluate(() => document.activeElement.blur());
    await page.mouse.move(0, 0);
    await page.locator("#form").screenshot({ path });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await commands[command](options)) ?? null };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
