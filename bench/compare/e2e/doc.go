// Package e2e holds the tests that start the built binary as its users do: against the emulator over HTTP,
// with DuckDB reading the files it leaves. Oracles are the emulator's ledger (what was asked and paid), the
// results its collectors hold (what had to arrive), tables typed by hand (what a column holds), and
// the product's command-line contract (exit codes, result line, no token anywhere).
//
// TestTorture is about death and damage. `make test` (-short) does everything in a few places, `make test-all` in
// many, and `make torture` n times as much with TORTURE=n, with streams cut at every byte. TORTURE_SEED repeats its
// random parts. Other tests take a part of their table in `make test`, where tests in process hold the whole.
package e2e
