//go:build nocloud

package main

var stores = map[string]opener{}

const withoutStores = "; this binary was built without object stores (-tags nocloud)"
