package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"time"

	"tw2parquet/source"
	"tw2parquet/source/emulator"
)

// What is asked for decides what a run is called: the same request has the same run, wherever and whenever it is made.
func ExampleRequest_Run() {
	january := source.Request{
		Kind: source.KindProject, Project: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", Topics: []string{"tea", "coffee"},
		Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Stop: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), Limit: 1000, Generation: 1,
	}
	again := january
	again.Topics = []string{"coffee", "tea"}
	more := january
	more.Limit = 2000
	run := january.Run("api.talkwalker.com")
	fmt.Println(len(run), run == again.Run("api.talkwalker.com"), run == more.Run("api.talkwalker.com"))
	fmt.Println(source.CollectorID(run) == "tw2p-"+run)
	// Output:
	// 26 true false
	// true
}

// A recorded stream is read in batches. Each has a position behind it, from which another reading can go on.
func ExampleRecording() {
	recording := `{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.org/1"}}}}
{"chunk_type":"CT_RESULT","chunk_result":{"data":{"data":{"url":"https://example.org/2"}}}}
{"chunk_type":"CT_CONTROL","chunk_control":{"resume_offset":"opaque"}}
`
	r := source.NewRecording(strings.NewReader(recording), 0, source.BatchLimits{})
	var b source.Batch
	for {
		b.Reset()
		err := r.Next(context.Background(), &b)
		for i, c := range b.Chunks {
			fmt.Println(b.First+int64(i), len(b.Raw[c.Start:c.End]), "bytes")
		}
		if errors.Is(err, io.EOF) {
			fmt.Printf("whole: %t, read to byte %d of %d\n", r.Cut() == "", r.Position().Byte, len(recording))
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// 0 91 bytes
	// 1 91 bytes
	// whole: true, read to byte 255 of 255
}

// A client asks the API; here the emulator stands for it. The token prints as REDACTED, wherever it is printed.
func ExampleClient() {
	api, err := emulator.New(emulator.Config{Token: "some-secret", Credits: 5000})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(api.Handler())
	defer server.Close()
	token := source.NewToken("some-secret")
	client, err := source.New(source.Config{BaseURL: server.URL, Token: token})
	if err != nil {
		fmt.Println(err)
		return
	}
	credits, err := client.Credits(context.Background())
	fmt.Println(credits.Spendable(), err, token)
	// Output: 5000 <nil> REDACTED
}
