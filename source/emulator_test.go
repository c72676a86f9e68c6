package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tw2parquet/source/emulator"
)

// Whatever the emulator does, the export is bought once, read exactly once, and within the call limits. The
// emulator knows the API's contract and nothing of this package; times are real, in a bubble.
func TestAgainstTheEmulator(t *testing.T) {
	for name, script := range map[string]string{
		"nothing":               `{}`,
		"answer lost":           `{"rules":[{"endpoint":"export","nth":1,"drop":"after"}]}`,
		"listed late":           `{"rules":[{"endpoint":"export","nth":1,"drop":"after","hide":"90s"}]}`,
		"limits everywhere":     `{"rules":[{"endpoint":"*","every":3,"respond":{"http":401,"code":8}}]}`,
		"failures":              `{"rules":[{"endpoint":"tasks","nth":1,"respond":{"http":500,"code":1}},{"endpoint":"task","every":4,"drop":"before"},{"endpoint":"collector_put","nth":1,"drop":"after"}]}`,
		"reads are reset":       `{"rules":[{"endpoint":"results","every":2,"cut":{"at":100000,"how":"reset"}}]}`,
		"reads end bare":        `{"rules":[{"endpoint":"results","to":3,"cut":{"at":150001,"how":"bare"}}]}`,
		"reads end properly":    `{"rules":[{"endpoint":"results","to":3,"cut":{"at":150001,"how":"end"}}]}`,
		"broken framing":        `{"rules":[{"endpoint":"results","nth":1,"cut":{"at":99999,"how":"chunk"}}]}`,
		"no final control":      `{"rules":[{"endpoint":"results","nth":1,"no_final":true}]}`,
		"error chunks":          `{"rules":[{"endpoint":"results","nth":1,"error":{"at":40,"code":25}},{"endpoint":"results","nth":2,"error":{"at":60,"code":1}}]}`,
		"a stall":               `{"rules":[{"endpoint":"results","nth":1,"stall":{"at":200000}}]}`,
		"slow but alive":        `{"rules":[{"endpoint":"results","nth":1,"stall":{"at":200000,"for":"80s"}}]}`,
		"gzip":                  `{"rules":[{"endpoint":"results","gzip":"correct"}]}`,
		"gzip, broken at first": `{"rules":[{"endpoint":"results","nth":1,"gzip":"truncated"},{"endpoint":"results","nth":2,"gzip":"crc"},{"endpoint":"results","nth":3,"gzip":"wrong"}]}`,
		"CRLF":                  `{"rules":[{"endpoint":"results","framing":"crlf"}]}`,
		"joined":                `{"rules":[{"endpoint":"results","framing":"joined"}]}`,
		"blank lines":           `{"rules":[{"endpoint":"results","framing":"blank"}]}`,
		"byte order mark":       `{"rules":[{"endpoint":"results","framing":"bom"}]}`,
		"garbage at first":      `{"rules":[{"endpoint":"results","nth":1,"garbage":"nonsense"}]}`,
	} {
		for every, lasts := range map[int]time.Duration{0: 0, 50: 10 * time.Minute} {
			t.Run(fmt.Sprint(name, every, lasts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { againstEmulator(t, script, every, lasts) })
			})
		}
	}
}

func againstEmulator(t *testing.T, script string, every int, lasts time.Duration) {
	faults, err := emulator.ParseFaults([]byte(script))
	if err != nil {
		t.Fatal(err)
	}
	// The bubble's clock begins in the year 2000; the account lives later, and its clock decides.
	shift := time.Until(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC))
	server, err := emulator.New(emulator.Config{Seed: 7, DocumentsPerDay: 16, ControlEvery: every, TaskDuration: lasts, LimitBatch: 100, MaxPerRead: 350,
		Faults: faults, Now: func() time.Time { return time.Now().Add(shift) }})
	if err != nil {
		t.Fatal(err)
	}
	pipe := emulator.NewPipe()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, pipe) }()
	transport := pipe.Transport()
	transport.DisableCompression = true
	client, err := New(Config{BaseURL: "http://127.0.0.1", Token: NewToken(server.Token()), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		client.Close()
		transport.CloseIdleConnections()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	req := Request{Kind: KindProject, Project: server.Projects()[0], Limit: MaxLimit, Generation: 1,
		Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Stop: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)}
	run := req.Run(client.Host())
	got, err := client.Acquire(ctx, run, req, newJournal())
	if err != nil {
		t.Fatal(err)
	}
	var task Task
	rows, _, err := drain(t, client, StreamConfig{Collector: got.Collector.ID, Expires: got.Expires, Limits: BatchLimits{TargetRows: 100, MaxRows: 220},
		Ending: TaskDone{ID: got.Task.ID, OnTask: func(t Task) { task = t }}})
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	var want strings.Builder
	if err := server.WriteResults(&want, CollectorID(run)); err != nil {
		t.Fatal(err)
	}
	n := len(rows)
	if n == 0 || task.Status != StatusFinished || int64(n) != task.Processed {
		t.Errorf("%d rows of a task that is %s with %d", n, task.Status, task.Processed)
	}
	if text := strings.Join(rows, ""); text != want.String() {
		t.Errorf("%d bytes of results differ from the collector's %d", len(text), want.Len())
	}
	ledger := server.Ledger()
	if len(ledger.Tasks) != 1 || ledger.Credits() != int64(n) {
		t.Errorf("%d tasks, %d credits for %d rows", len(ledger.Tasks), ledger.Credits(), n)
	}
	if peak := ledger.Peak(emulator.EndpointResults, time.Minute); peak > 5 {
		t.Errorf("%d reads in a minute", peak)
	}
}
