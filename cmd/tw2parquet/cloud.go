//go:build !nocloud

package main

// stores are the object stores that this binary can open, by the scheme of their URLs.
var stores = map[string]opener{}

// withoutStores says why there may be none.
const withoutStores = ""
