//go:build !linux || !amd64

package e2e

import "testing"

// The tracer knows the registers of one machine.

func (r *torture) killedBySystemCall(t *testing.T)  { t.Log("only on Linux on amd64") }
func (r *torture) stoppedBySystemCall(t *testing.T) { t.Log("only on Linux on amd64") }
func (r *torture) failedSystemCalls(t *testing.T)   { t.Log("only on Linux on amd64") }

func (s *sequence) failing() ended { return s.start().wait() }
