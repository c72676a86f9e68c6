//go:build !linux

package main

// mountPoint is false: only Linux mounts single files.
func mountPoint(string) bool { return false }
