//go:build !linux

package main

// keepPrivate has no portable form.
func keepPrivate() {}
