// A program that uses the generated client. Each line after @ts-expect-error must be refused by the compiler.
import { Client, type Broker } from "./client";

export function ask(broker: Broker): string {
  const client = new Client(broker);
  client.sendQuestions("q1", { question_id: "q1", text: "Which gas?", options: ["Oxygen", "Carbon dioxide"] });
  client.sendQuestions("q2", { question_id: "q2", text: "How many?", answer_type: "number", occurred_at: 0 });
  // @ts-expect-error one option is no choice
  client.sendQuestions("q3", { question_id: "q3", text: "Which gas?", options: ["Oxygen"] });
  // @ts-expect-error a choice has options
  client.sendQuestions("q4", { question_id: "q4", text: "Which gas?" });
  // @ts-expect-error a number has none
  client.sendQuestions("q5", { question_id: "q5", text: "How many?", answer_type: "number", options: ["1", "2"] });
  // @ts-expect-error gold is feedback
  client.sendQuestions("q6", { question_id: "q6", text: "Which gas?", options: ["a", "b"], gold: "A" });

  client.sendFeedback("q1", { question_id: "q1", source: "gold", answer: "B" });
  client.sendFeedback("q1", { kind: "feedback.retracted.v1", question_id: "q1", feedback_id: "0".repeat(64) });
  // @ts-expect-error without its kind it would be feedback.given.v1
  client.sendFeedback("q1", { question_id: "q1", feedback_id: "0".repeat(64) });
  // @ts-expect-error either the answer or a verdict
  client.sendFeedback("q1", { question_id: "q1", source: "gold", answer: "B", verdict: "right" });

  const decision = client.receiveDecisions();
  if (decision.kind === "decision.made.v2" && decision.status === "decided") {
    const extractor: "answers.v1" | "answers.v2" = decision.rules.extractor;
    return `${extractor}: ${decision.answer.toUpperCase()}, ${decision.answer_text ?? ""}`;
  }
  // @ts-expect-error an undecided question has no answer
  return decision.answer.toUpperCase();
}
