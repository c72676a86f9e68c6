// Package duck asks DuckDB about Parquet files: it is the reader of the tests and comparisons that shares
// no line with the writer.
package duck

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2" // registers the driver "duckdb"

	"tw2parquet/bench/compare/brief"
)

// DB is an in-memory database of one connection, so that SET and CREATE of one call hold for the next.
type DB struct {
	pool *sql.DB
	conn *sql.Conn
}

// Open starts an in-memory database with UTC as its time zone. Settings are run in order as
// "SET name = value" statements' right-hand part, for example "threads = 2".
func Open(ctx context.Context, settings ...string) (*DB, error) {
	pool, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, fmt.Errorf("open duckdb: %w", err)
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to duckdb: %w", err), pool.Close())
	}
	db := &DB{pool: pool, conn: conn}
	for _, s := range append([]string{"TimeZone = 'UTC'"}, settings...) {
		if err := db.Exec(ctx, "SET "+s); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return db, nil
}

// Close ends the connection and the database. It may be called twice.
func (d *DB) Close() error {
	err := d.conn.Close()
	if errors.Is(err, sql.ErrConnDone) {
		err = nil
	}
	return errors.Join(err, d.pool.Close())
}

// Exec runs statements without results.
func (d *DB) Exec(ctx context.Context, query string, args ...any) error {
	if _, err := d.conn.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("%s: %w", summary(query), brief.Error(err))
	}
	return nil
}

// Table is a result in memory.
type Table struct {
	Columns []string
	Rows    [][]any
}

// Query runs one statement and returns what the driver makes of its values.
func (d *DB) Query(ctx context.Context, query string, args ...any) (t Table, err error) {
	rows, err := d.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return Table{}, fmt.Errorf("%s: %w", summary(query), brief.Error(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if t.Columns, err = rows.Columns(); err != nil {
		return Table{}, fmt.Errorf("%s: %w", summary(query), brief.Error(err))
	}
	for rows.Next() {
		row := make([]any, len(t.Columns))
		into := make([]any, len(row))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return Table{}, fmt.Errorf("%s: %w", summary(query), brief.Error(err))
		}
		t.Rows = append(t.Rows, row)
	}
	if err := rows.Err(); err != nil {
		return Table{}, fmt.Errorf("%s: %w", summary(query), brief.Error(err))
	}
	return t, nil
}

// Null is how Text shows a value that is null.
const Null = "NULL"

// Text runs one query and returns its values as DuckDB itself writes them: nested values in braces and
// brackets, times in UTC, nulls as Null.
func (d *DB) Text(ctx context.Context, query string) (columns []string, rows [][]string, err error) {
	inner := strings.TrimRight(strings.TrimSpace(query), "; \n\t")
	t, err := d.Query(ctx, "SELECT COLUMNS(*)::VARCHAR FROM ("+inner+"\n)")
	if err != nil {
		// Not everything that answers rows may stand in a subquery (SHOW, PRAGMA); and where the query itself
		// is wrong, its own message is the better one.
		if t, err = d.Query(ctx, query); err != nil {
			return nil, nil, err
		}
	}
	for _, row := range t.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			switch v := v.(type) {
			case nil:
				cells[i] = Null
			case string:
				cells[i] = v
			default:
				cells[i] = fmt.Sprint(v)
			}
		}
		rows = append(rows, cells)
	}
	return t.Columns, rows, nil
}

// Quote returns s as an SQL string.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Name returns s as an SQL identifier.
func Name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// summary cuts a query to what fits an error message.
func summary(query string) string {
	query = strings.Join(strings.Fields(query), " ")
	if len(query) > 200 {
		query = query[:200] + "…"
	}
	return query
}
