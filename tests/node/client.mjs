// Generates a TypeScript client from an AsyncAPI document: node client.mjs DOCUMENT > client.ts.
// Types come from the payloads' JSON Schemas; each operation becomes a method of the client, named after its id.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import { compile } from "json-schema-to-typescript";

const text = readFileSync(process.argv[2], "utf8");
const { document } = await new Parser().parse(text);
if (document === undefined) throw new Error("the document is not valid: see parse.mjs");

const definitions = JSON.parse(text.replaceAll("#/components/schemas/", "#/definitions/")).components.schemas;
const types = await compile({ definitions, type: "object" }, "Document", {
  additionalProperties: false,
  bannerComment: "",
  format: false,
  unreachableDefinitions: true,
});

const methods = [];
for (const operation of document.operations()) {
  const payload = operation.messages().all().map((message) => message.title()).join(" | ");
  const [channel] = operation.channels().all();
  const [name, address] = [operation.id(), JSON.stringify(channel.address())];
  const comment = `  /** ${operation.summary()} */`;
  methods.push(
    operation.isSend()
      ? `${comment}\n  ${name}(key: string, event: ${payload}): void { this.broker.send(${address}, key, JSON.stringify(event)); }`
      : `${comment}\n  ${name}(): ${payload} { return JSON.parse(this.broker.receive(${address})); }`,
  );
}
console.log(`${types}
export interface Broker {
  send(topic: string, key: string, value: string): void;
  receive(topic: string): string;
}

export class Client {
  constructor(private readonly broker: Broker) {}

${methods.join("\n\n")}
}`);
