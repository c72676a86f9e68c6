package airflow

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"tw2parquet/source/emulator"
)

// waitScale shortens the binary's waits: ten minutes of an API that is down are three seconds. minute is the
// emulator's, to match.
const (
	waitScale = 0.005
	minute    = time.Minute / 200
	// patient is for an export that hangs until it is killed: half an hour.
	patient = "--idle-timeout=100h"
)

// account is an emulator in this process, served over HTTP.
type account struct {
	*emulator.Server
	t   *testing.T
	url string
}

func serve(t *testing.T, cfg emulator.Config) *account {
	t.Helper()
	cfg.Minute = minute
	s, err := emulator.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &account{s, t, "http://" + ln.Addr().String()}
}

// script replaces the fault script.
func (a *account) script(rules string) {
	a.t.Helper()
	f, err := emulator.ParseFaults([]byte(`{"rules":[` + rules + `]}`))
	if err != nil {
		a.t.Fatal(err)
	}
	a.SetFaults(f)
}

// expectWhole holds that so many windows were bought, each once, and that the output has exactly what the account
// handed over for them.
func (a *account) expectWhole(out string, windows int) {
	a.t.Helper()
	ledger := a.Ledger()
	var want []string
	for _, task := range ledger.Tasks {
		var lines bytes.Buffer
		if err := a.WriteResults(&lines, task.Target); err != nil {
			a.t.Fatal(err)
		}
		want = append(want, addresses(a.t, lines.Bytes())...)
	}
	got := rows(a.t, out)
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		a.t.Errorf("%d rows, want %d", len(got), len(want))
	}
	credits := int64(0)
	for _, charge := range ledger.Charges {
		if charge.Kind == "export" { // and not what plan asks for
			credits += charge.Credits
		}
	}
	if ledger.ExportPosts() != windows || len(ledger.Tasks) != windows || credits != int64(len(want)) {
		a.t.Errorf("%d posts, %d tasks, %d credits; want %d windows, %d credits", ledger.ExportPosts(), len(ledger.Tasks), credits, windows, len(want))
	}
}

// addresses are the urls of results.
func addresses(t *testing.T, lines []byte) (urls []string) {
	t.Helper()
	for line := range bytes.Lines(lines) {
		var chunk struct {
			Result *struct {
				Data struct {
					Data struct {
						URL string `json:"url"`
					} `json:"data"`
				} `json:"data"`
			} `json:"chunk_result"`
		}
		if err := json.Unmarshal(line, &chunk); err != nil {
			t.Fatal(err)
		}
		if chunk.Result != nil {
			urls = append(urls, chunk.Result.Data.Data.URL)
		}
	}
	return urls
}

// rows are the urls of an output's Parquet files.
func rows(t *testing.T, out string) (urls []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(out, "window_start=*", "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		all, err := parquet.ReadFile[struct {
			URL string `parquet:"url,optional"`
		}](name)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range all {
			urls = append(urls, row.URL)
		}
	}
	return urls
}
