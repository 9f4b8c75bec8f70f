// Reads an AsyncAPI document with AsyncAPI's own parser: node parse.mjs DOCUMENT.
// Prints one JSON object: whether it is valid, and what the parser says of it.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const severities = ["error", "warning", "information", "hint"];
const found = diagnostics.map(({ severity, code, path, message }) => ({
  severity: severities[severity],
  code,
  place: path.join("/"),
  message,
}));
console.log(JSON.stringify({ valid: document !== undefined, found }));
