package main

import (
	"context"
	"encoding/json"
	"fmt"

	"tw2parquet/source"
)

type tasksCmd struct {
	List  taskListCmd  `cmd:"" help:"List the recent export tasks, newest first."`
	Get   taskGetCmd   `cmd:"" help:"Show one task."`
	Abort taskAbortCmd `cmd:"" help:"Abort a task; what it has exported stays readable and is charged."`
}

// Help is the long form of --help.
func (tasksCmd) Help() string {
	return "Lists, shows or aborts export tasks.\n\nExample:\n  tw2parquet tasks list --output json" + apiHelp
}

type taskListCmd struct{ shown }

// Run prints the tasks.
func (c *taskListCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	tasks, err := api.Tasks(ctx)
	if err != nil {
		return err
	}
	return c.show(a, tasks)
}

type taskGetCmd struct {
	shown
	ID string `arg:"" help:"The task's id."`
}

// Run prints one task.
func (c *taskGetCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	task, err := api.Task(ctx, c.ID)
	if err != nil {
		return err
	}
	return c.show(a, []source.Task{task})
}

type taskAbortCmd struct {
	shown
	ID string `arg:"" help:"The task's id."`
}

// Run aborts one task.
func (c *taskAbortCmd) Run(ctx context.Context, a *app) error {
	api, err := a.client(source.Config{})
	if err != nil {
		return err
	}
	task, err := api.AbortTask(ctx, c.ID)
	if err != nil {
		return err
	}
	return c.show(a, []source.Task{task})
}

func (s *shown) show(a *app, tasks []source.Task) error {
	if s.Output == "json" {
		return a.indented(raws(tasks, func(t source.Task) json.RawMessage { return t.Raw }))
	}
	rows := make([][]string, len(tasks))
	for i, t := range tasks {
		rows[i] = []string{t.ID, string(t.Status), fmt.Sprint(t.Processed), percent(t), t.Target, day(t.Created)}
	}
	return a.table([]string{"task", "status", "processed", "progress", "collector", "created"}, rows)
}
