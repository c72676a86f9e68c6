// Package emulator is the export part of the Talkwalker API in one process: collectors, export tasks,
// the results stream, and the few calls around them. Tests import it, `emulate` and `demo` serve it.
//
// It is written from the API's documentation alone and shares no code with the client, so that the two
// can disagree.
//
// # What it holds
//
// One account with three tokens (read_write, read_only, demo), projects with topics, streams with
// rules, credits, call limits. Documents are generated: a function of the seed, the project and the
// day, so any range exports exactly the documents in it, and histograms agree. Config can add documents that
// only histograms count, and let some be found late. Nothing is stored per
// document but eight bytes in a queue. Nothing runs in the background either: what an export has
// done by now is computed from the clock when somebody asks.
//
// # Choices where the documentation is silent
//
//   - An unknown collector or export target is code 15 with HTTP 404, an unknown task too (detail task_id).
//   - DELETE of a task that has ended answers "deleted" and changes nothing; otherwise the task is aborted.
//   - Credits running out make the task "failed" (Config.CreditsEnd); what was paid for stays readable.
//   - PUT on an existing collector drops its results (Config.KeepOnPut); DELETE of one does not stop the
//     tasks that write into it.
//   - A result expires 7 days after its own export. An offset before the first result left is code 5
//     (Config.ExpiredOffsets).
//   - CT_ERROR carries chunk_error with status_code and status_message.
//   - Call limits are counted per token, over all collectors, in a sliding minute; refused calls do not count.
//   - The range of an export applies to the publication time; nothing published after the request is exported.
//   - A project_topics without topics means all topics, and the topic id "search" too.
//   - max_hits counts results that are not UPDATED copies, here as in live streams.
package emulator
