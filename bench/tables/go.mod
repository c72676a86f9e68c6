module tw2parquet/bench/tables

go 1.26.0
