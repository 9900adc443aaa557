/**
 * What becomes of a request that changes something when it is sent twice, as clients do whose answer was lost. A store of
 * keys and answers for all of them would be a second commit for each change and would still not know what became of one
 * that a crash cut short; most operations are the same done twice by what they are, and the two that begin a run take a key.
 */
export const REPEATED: Readonly<Record<string, string>> = {
  planWorkflow: "It changes nothing.",
  publishWorkflow: "The same content again is no change: 200 instead of 201.",
  startRun: "With `Idempotency-Key`, or `key` in the body, the run that was started first; without one a second run.",
  changeRun: "A run that is cancelled or ended is not cancelled again, and what is at work is not retried: `conflict`.",
  rerunRun: "With `Idempotency-Key` the run that was started first; without one a second run.",
  signalRun: "A second signal, for the next task that waits for one of that name; a payload may say which it is.",
  compareRuns: "It changes nothing.",
  answerApproval: "An approval is answered once by each person, and is `not_found` when it is closed.",
  createDisclosure: "The same bytes.",
  createDisclosureSalts: "The same salts.",
  addTaskType: "The same program again is no change.",
  removeTaskType: "The second is `not_found`.",
  runRetention: "What has gone is not there any more: the second removes nothing.",
  setHold: "What is held already is a `conflict`.",
  releaseHold: "The second is `not_found`.",
  revokeSession: "A session that is over stays over.",
  revokeSessions: "Those that are over stay over.",
  logOut: "The second is `unauthorized`: the session is over.",
  exchangeToken: "A token is exchanged once.",
  makeLoginLink: "A second link; each is good once and for five minutes.",
  redeemLoginLink: "A link is good once.",
  askPolicy: "It changes nothing.",
  comparePolicy: "It changes nothing.",
  whoCan: "It changes nothing.",
  reloadPolicy: "The same files are the same policy.",
  openBreakGlass: "What the same person has open already for the same namespace is a `conflict`.",
  endBreakGlass: "The second is a `conflict`: it has ended.",
  evaluateAccess: "It changes nothing.",
  evaluateAccesses: "It changes nothing.",
  searchSubjects: "It changes nothing.",
  searchResources: "It changes nothing.",
  searchActions: "It changes nothing.",
};
