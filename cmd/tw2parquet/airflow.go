package main

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

// dagTemplate is the file that `tw2parquet airflow` prints, with what differs between its variants.
//
//go:embed airflow/dag.py.tmpl
var dagTemplate string

type airflowCmd struct {
	Airflow    int    `name:"airflow" enum:"2,3" default:"3" help:"The version of Airflow: 3, or 2 for 2.11." group:"Variants"`
	Style      string `name:"style" enum:"windows,nightly" default:"windows" help:"windows: plan, a mapped task for each window, verify, register if wanted, collectors gc; nightly: one task that exports what is over and not there yet (default ${default})." group:"Variants"`
	Executor   string `name:"executor" enum:"worker,kubernetes" default:"worker" help:"Where the program runs: on Airflow's worker, or in a pod of its own: kubernetes (default ${default})." group:"Variants"`
	Reschedule bool   `name:"reschedule" help:"Exports are sensors that look in every few minutes: no worker is held while the server prepares results." group:"Variants"`

	Project  string   `name:"project" placeholder:"ID" help:"Export from a project." group:"What"`
	Topics   []string `name:"topic" placeholder:"ID" sep:"none" help:"Only documents of this topic of the project; repeatable." group:"What"`
	Datasets []string `name:"dataset" placeholder:"ID" sep:"none" help:"Only this dataset of the project; repeatable." group:"What"`
	Stream   string   `name:"stream" placeholder:"ID" help:"Export from a stream." group:"What"`
	Query    string   `name:"query" placeholder:"Q" help:"ANDed with the above; alone: export by query." group:"What"`
	Split    string   `name:"split" enum:"none,day,week,month,auto" default:"day" help:"Windows of a data interval, each a task: none, day, week, month or auto (default ${default})." group:"What"`
	Out      string   `name:"out" placeholder:"OUT" default:"s3://bucket/lake" help:"Where the files go (default ${default}, to be changed)." group:"Writing"`

	Register   bool     `name:"register" help:"Registers complete windows in a table, once they are verified." group:"Writing"`
	Format     *string  `name:"format" enum:"iceberg,delta" help:"With --register: delta, the table that OUT then is, or iceberg, a table in a catalog (default delta)." group:"Writing"`
	Table      string   `name:"table" placeholder:"NAME" help:"With --format iceberg: NAMESPACE.NAME." group:"Writing"`
	Catalog    string   `name:"catalog" placeholder:"KIND:ADDRESS" help:"With --format iceberg: the catalog, as register takes it." group:"Writing"`
	Properties []string `name:"catalog-property" placeholder:"K=V" sep:"none" help:"With --format iceberg: a property of the catalog, as register takes it; repeatable. Secrets come from the environment of the workers." group:"Writing"`

	DAG      string  `name:"dag-id" placeholder:"NAME" default:"talkwalker" help:"The DAG's id (default ${default})." group:"DAG"`
	Schedule string  `name:"schedule" placeholder:"CRON" default:"@daily" help:"A cron expression, in UTC: each of its intervals is exported when it is over (default ${default})." group:"DAG"`
	First    instant `name:"start" placeholder:"T" default:"2024-01-01" help:"The first data interval begins here; a backfill goes no further back (default ${default})." group:"DAG"`
}

// Help is the long form of --help.
func (airflowCmd) Help() string {
	return `Prints a Python file for the folder of Airflow's DAGs: an operator that runs this program, and a DAG that plans each
data interval, exports its windows as mapped tasks, and verifies the output. Tasks are retried only where a retry can
help; the token comes from a connection and is never part of a command. What is given here is filled in; everything can
be changed in the file, too. tw2parquet help airflow goes from nothing to a green run.

Example:
  tw2parquet airflow --project aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee \
    --out s3://bucket/lake > dags/talkwalker.py
  tw2parquet airflow --style nightly --register \
    --project aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee --out s3://bucket/lake
  tw2parquet airflow --airflow 2 --stream my-stream --out /data/lake \
    --schedule @monthly --split day

Exit codes: 0 ok, 2 usage, 50 the output cannot be written.
See also: airflow, exit-codes`
}

// Run prints the file. It calls nothing and reads no token.
func (c *airflowCmd) Run(a *app) error {
	if c.Project == "" && (len(c.Topics) > 0 || len(c.Datasets) > 0) {
		return usagef("--topic and --dataset go with --project")
	}
	if c.Project != "" && c.Stream != "" {
		return usagef("--project and --stream exclude each other")
	}
	if c.Reschedule && c.Executor == "kubernetes" {
		return usagef("--reschedule is for workers; a pod ends when it likes, and needs none")
	}
	if c.Style == "nightly" && c.Split == "none" {
		return usagef("--style nightly exports windows as they are over; --split none has none")
	}
	if _, err := outPlace(c.Out); err != nil {
		return err
	}
	source, err := c.source()
	if err != nil {
		return err
	}
	register, err := c.table()
	if err != nil {
		return err
	}
	values := map[string]any{
		"Airflow": c.Airflow, "Source": source, "Register": register, "SDK": c.imports(), "Windows": c.Style == "windows", "Reschedule": c.Reschedule,
		"Bash": c.Executor == "worker", "Kubernetes": c.Executor == "kubernetes",
		"Operator": c.Executor == "worker" && (c.Style == "windows" || !c.Reschedule || c.Register), // and not sensors alone
		"Exporter": "TalkwalkerExportOperator",
	}
	if c.Reschedule {
		values["Exporter"] = "TalkwalkerExportSensor"
	}
	for name, value := range map[string]string{
		"DAG": c.DAG, "Out": c.Out, "Schedule": c.Schedule, "Split": c.Split, "First": rfc3339(c.First.Time)[:len("2024-01-01")],
	} {
		if values[name], err = pythonText(value); err != nil {
			return err
		}
	}
	t, err := template.New("dag").Parse(dagTemplate)
	if err != nil {
		return fmt.Errorf("parse the DAG's template: %w", err)
	}
	var text strings.Builder
	if err := t.Execute(&text, values); err != nil {
		return fmt.Errorf("fill the DAG's template: %w", err)
	}
	return a.write(text.String())
}

// imports are the names that the file takes from Airflow 3's SDK, in the order in which formatters want them.
func (c *airflowCmd) imports() string {
	names := []string{"DAG", "Asset"}
	if c.Executor == "worker" {
		names = append(names, "Connection")
	}
	if c.Style == "windows" {
		names = append(names, "CronDataIntervalTimetable", "Param")
	}
	if c.Reschedule {
		names = append(names, "PokeReturnValue")
	}
	line := strings.Join(names, ", ")
	if len("from airflow.sdk import "+line) > 88 {
		line = "(\n    " + strings.Join(names, ",\n    ") + ",\n)"
	}
	return line
}

// source is a dictionary of the flags that say what is exported.
func (c *airflowCmd) source() (string, error) {
	project := c.Project
	if project == "" && c.Stream == "" && c.Query == "" {
		project = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee" // to be changed, as the examples say
	}
	return pythonFlags(
		flagValue{"project", project, project != ""}, flagValue{"topic", c.Topics, len(c.Topics) > 0}, flagValue{"dataset", c.Datasets, len(c.Datasets) > 0},
		flagValue{"stream", c.Stream, c.Stream != ""}, flagValue{"query", c.Query, c.Query != ""})
}

// table is a dictionary of the flags that say where to register; empty without --register.
func (c *airflowCmd) table() (string, error) {
	format := "delta"
	if c.Format != nil {
		format = *c.Format
	}
	switch about := c.Table != "" || c.Catalog != "" || len(c.Properties) > 0; {
	case !c.Register && (c.Format != nil || about):
		return "", usagef("--format, --table, --catalog and --catalog-property go with --register")
	case !c.Register:
		return "", nil
	case format != "iceberg" && about:
		return "", usagef("--table, --catalog and --catalog-property go with --format iceberg")
	case format == "iceberg" && c.Table == "":
		return "", usagef("--format iceberg: name the table, with --table NAMESPACE.NAME")
	}
	return pythonFlags(flagValue{"format", format, true}, flagValue{"table", c.Table, c.Table != ""},
		flagValue{"catalog", c.Catalog, c.Catalog != ""}, flagValue{"catalog-property", c.Properties, len(c.Properties) > 0})
}

// flagValue is a flag and what it is given; a text, or texts of a flag that is repeated.
type flagValue struct {
	name  string
	value any
	given bool
}

// pythonFlags is a dictionary of flags, as formatters of Python want it.
func pythonFlags(flags ...flagValue) (string, error) {
	var text strings.Builder
	text.WriteString("{\n")
	for _, flag := range flags {
		if !flag.given {
			continue
		}
		value, err := pythonText(flag.value)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&text, "    %q: %s,\n", flag.name, value)
	}
	return text.String() + "}", nil
}

// pythonText is a text, or a list of texts with one on each line, as formatters of Python want it. JSON's texts are
// Python's too; where single quotes need fewer escapes, those are used.
func pythonText(v any) (string, error) {
	if list, ok := v.([]string); ok {
		lines := "["
		for _, v := range list {
			text, err := pythonText(v)
			if err != nil {
				return "", err
			}
			lines += "\n        " + text + ","
		}
		return lines + "\n    ]", nil
	}
	text, err := jsonText(v, "")
	quoted := strings.TrimSuffix(string(text), "\n")
	if inner := quoted[1 : len(quoted)-1]; strings.Count(inner, `'`) < strings.Count(inner, `\"`) {
		quoted = `'` + strings.ReplaceAll(strings.ReplaceAll(inner, `'`, `\'`), `\"`, `"`) + `'`
	}
	return quoted, err
}
