// Refusal is an error of the caller's: it becomes the status and the text of the answer.
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}
