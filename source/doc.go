// Package source is the connector's side of the Talkwalker API: what is asked for, buying it once, and
// reading it to the end.
//
// # The wire, in brief
//
// Every call carries the token as a query parameter, so URLs are secrets: none is logged, returned or
// followed to another host. Answers are envelopes with a status_code that decides, whatever the HTTP
// status says; 401 alone is shared by a bad token, a call limit and an empty account. Results come from a
// collector as a stream of JSON chunks: CT_RESULT, CT_CONTROL with an offset that covers everything
// before it, CT_ERROR. A read that was asked to stop ends with a control chunk; without one it was cut,
// however the connection ended.
//
// # What costs credits
//
// An export costs one credit per result, and cannot be undone; a histogram costs ten. Everything else is
// free, reading in particular, as often as wanted for seven days. So the export POST is sent once, on a
// fresh connection, and nothing but looking follows an unclear answer (see Client.Acquire); the histogram
// is repeated only where the server certainly did not answer it.
//
// # What is tried again
//
// Free calls, after failures of the network and the server (codes 1, 2) a few times with growing pauses,
// and after call limits (codes 8, 30, a bare 429) for some minutes. Redirects, bad certificates and every
// refusal are final. Reads resume at the last offset; results after it are dropped and read again.
//
// # The token
//
// It prints as REDACTED. Text of the server and of the network reaches errors and logs only through one
// function, which takes the token out in any spelling, escapes control characters and cuts at 500 bytes.
// errors.go is the only place that decides what an answer means.
//
// # Memory
//
// A batch's buffer is what the body is read into; chunks are ranges of it. It holds at most a full batch
// and one document of the largest size. The consumer owns it between two calls of Next.
package source
