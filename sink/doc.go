// Package sink writes rotating Parquet files and publishes each in one atomic step.
package sink
