//go:build !linux

package e2e

import "testing"

func smallDisk(*testing.T) string { return "" }

func fill(_, _ string, _ int64) error { panic("there is no small disk") }
