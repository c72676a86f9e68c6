//go:build !nocloud

package main

import (
	"context"
	"net/url"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/azure"
	"tw2parquet/sink/store/gcs"
	objectstore "tw2parquet/sink/store/object"
	"tw2parquet/sink/store/s3"
)

// stores are the object stores that this binary can open, by the scheme of their URLs.
var stores = map[string]opener{"s3": objects(s3.Open), "gs": objects(gcs.Open), "azblob": objects(azure.Open)}

// withoutStores says why there may be none.
const withoutStores = ""

func objects(open func(context.Context, *url.URL, objectstore.Config) (store.Store, error)) opener {
	return func(ctx context.Context, u *url.URL, how opening) (store.Store, error) {
		return open(ctx, u, objectstore.Config{Logger: how.log, Windows: how.windows, Secret: how.secret, WaitScale: how.scale})
	}
}
