package main

import (
	"strings"
	"testing"
)

// What Airflow makes of the file is tested with Airflow itself, in bench/airflow.
func TestAirflow_FillsInWhatIsGiven(t *testing.T) {
	code, file, stderr := call(t, "airflow", "--project", "p", "--topic", "a", "--topic", "b", "--query", `say "<hi>" {{ ds }}`, "--out", "s3://b/lake",
		"--register", "--format", "iceberg", "--table", "social.documents", "--catalog", "rest:https://c", "--catalog-property", "warehouse=w",
		"--dag-id", "mine", "--schedule", "@monthly", "--split", "week", "--start", "2023-05-06T07:08:09Z")
	if code != exitOK || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, line := range []string{
		`DAG_ID = "mine"`, `    "project": "p",`, "    \"topic\": [\n        \"a\",\n        \"b\",\n    ],", `    "query": 'say "<hi>" {{ ds }}',`, `OUT = "s3://b/lake"`,
		"REGISTER = {\n    \"format\": \"iceberg\",\n    \"table\": \"social.documents\",\n    \"catalog\": \"rest:https://c\",\n    \"catalog-property\": [\n        \"warehouse=w\",\n    ],\n}",
		`SCHEDULE = "@monthly"  #`, `SPLIT = "week"  #`, `FIRST_DAY = "2023-05-06"`,
	} {
		if !strings.Contains(file, "\n"+line) {
			t.Errorf("there is no %s", line)
		}
	}
}

func TestAirflow_RefusesWhatNoExportTakes(t *testing.T) {
	for _, args := range [][]string{{"--topic", "a"}, {"--project", "p", "--stream", "s"}, {"--airflow", "1"}, {"--start", "yesterday"}, {"--out", ""},
		{"--style", "nightly", "--split", "none"}, {"--executor", "kubernetes", "--reschedule"}, {"--style", "weekly"},
		{"--format", "delta"}, {"--catalog", "c"}, {"--register", "--table", "a.b"}, {"--register", "--format", "iceberg"}, {"--register", "--format", "ducklake"}} {
		if code, file, _ := call(t, append([]string{"airflow"}, args...)...); code != exitUsage || file != "" {
			t.Errorf("%v: exit %d, %q", args, code, file)
		}
	}
}
