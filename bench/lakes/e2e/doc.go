// Package e2e runs the built binary between the emulator and object stores. A proxy of ours stands before
// a store: it loses answers, makes errors, and kills the binary at a request. What counts is the emulator's
// ledger, and the rows that another reader finds in the bucket.
package e2e
