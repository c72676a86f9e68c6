// Package e2e holds the tests that start the built binary as its users do: against the emulator over HTTP,
// with DuckDB reading the files it leaves. Oracles are the emulator's ledger (what was asked and paid), the
// results its collectors hold (what had to arrive), tables typed by hand (what a column holds), and
// the product's command-line contract (exit codes, result line, no token anywhere).
//
// TestTorture is about death and damage. It is the same in CI and in `make torture`, where TORTURE=n makes it n
// times as long, and cuts streams at every byte. TORTURE_SEED repeats its random parts.
package e2e
