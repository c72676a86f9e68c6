// Package airflow runs the DAGs that `tw2parquet airflow` prints in a real Airflow (scheduler, API server, DAG
// processor, LocalExecutor, PostgreSQL) against the emulator. What counts is the emulator's ledger, what Airflow's own
// API and database tell, and the rows that another reader finds in the Parquet files. What `tw2parquet help airflow`
// shows is read by the tools that it is for.
package airflow
