// A program that asks over HTTP, by types generated from the OpenAPI document: node http_program.js URL.
// Each line after @ts-expect-error must be refused by the compiler.
import createClient from "openapi-fetch";
import type { paths } from "./orch.js";

declare const process: { argv: string[] };

const client = createClient<paths>({ baseUrl: process.argv[2] });
const query = { wait: 30 };
const asked = await client.POST("/v1/questions", {
  params: { query },
  body: { question_id: "typescript", text: "Which gas do plants take in?", options: ["Oxygen", "Carbon dioxide"] },
});
if (asked.error) throw new Error(`${asked.error.detail}. ${asked.error.remedy}`);

const path = { question_id: "typescript" };
const read = await client.GET("/v1/decisions/{question_id}", { params: { path } });
const decision = read.data;
if (decision === undefined || decision.status === "open") throw new Error("it is not decided");
if (decision.status === "decided" && decision.kind === "decision.made.v2") {
  const answer: string | null = decision.answer;
  console.log(JSON.stringify({ answer, text: decision.answer_text, cost: decision.cost_nusd }));
}

const told = await client.POST("/v1/feedback", { body: { question_id: "typescript", source: "human", verdict: "right" } });
console.log(told.data?.event_id ?? told.error?.detail);

if (told.data === undefined) throw new Error(told.error.detail);
const back = await client.POST("/v1/feedback", {
  body: { kind: "feedback.retracted.v1", question_id: "typescript", feedback_id: told.data.event_id },
});
if (back.data?.kind === "feedback.retracted.v1") console.log(back.data.feedback_id);

const missing = await client.GET("/v1/explain/{question_id}", { params: { path: { question_id: "no such" } } });
console.log(missing.error?.status, missing.error?.remedy);

export async function refused(): Promise<void> {
  // @ts-expect-error a question has a text
  await client.POST("/v1/questions", { body: { options: ["a", "b"] } });
  // @ts-expect-error a number is no option
  await client.POST("/v1/questions", { body: { text: "Which?", options: [1, 2] } });
  // @ts-expect-error a retraction names what it takes back
  await client.POST("/v1/feedback", { body: { kind: "feedback.retracted.v1", question_id: "q" } });
  // @ts-expect-error there is no such status
  await client.GET("/v1/decisions", { params: { query: { status: "open" } } });
  // @ts-expect-error there is no such route
  await client.GET("/v1/nosuch");
}
