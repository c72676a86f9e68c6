// Package bench holds the benchmarks and the corpus they run on.
//
// The corpus is a recorded collector stream as "Talkwalker API, Read a collector" shows it: a control
// chunk that echoes the offset, one CT_RESULT object a line, a control chunk every so many results, a
// last control chunk at the end. It is made, not recorded: no document of anybody is in it. The same
// Corpus value yields the same bytes on every machine, so figures of different days speak of the same
// input.
//
// What makes a generated corpus lie about speed is text that compresses too well and documents that
// are all alike. Hence: words of a vocabulary of tens of thousands per language are drawn by Zipf's
// law, set phrases beside single words, and words of the document's own topic recur in it, which
// together let zstd find about what it finds in real text. Sites, authors and topics are few against
// the documents; addresses, titles and texts are not. Lengths follow a log-normal law per kind.
//
// The emulator (package source/emulator) has a generator of its own. They differ on purpose: a mistake in
// one cannot hide the same mistake in the other.
package bench
