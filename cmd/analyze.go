package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/cmd/front"
)

func newAnalyze(s *session) *cobra.Command {
	var f analyzeFlags
	c := &cobra.Command{
		Use:   "analyze IMAGE [-- ARG...] | --attach TARGET IMAGE | --from RECORD...",
		Short: "Watch an image run, and propose a manifest",
		Long: `Analyze runs an image as run would, refuses it nothing, watches every process,
and proposes the least manifest under which this run could have been: a CUE
file with a reason for each entry, on standard output or in the file of -o. What
the container prints goes to standard error.

The run ends with the image's command, after --for, when nothing new was seen for
the time of --until-quiet, at Ctrl-C, or with the last command of --exercise. The
time of --until-quiet counts from when each of these commands has been run, or
where there is none from when the container is ready. They are run on the host by sh -c, in order, once the image's first TCP port
accepts connections or what --ready names answers, and find the container by
their environment:

  LPM_HOST=127.0.0.1  LPM_PORT=6379  LPM_PORTS="6379/tcp 6380/tcp"
  LPM_PORT_6379_TCP=6379  LPM_PORT_6380_TCP=6380

The container is then told to end, by the image's stop signal, and what it does
to end is watched too. A second Ctrl-C kills it. With --signal HUP it is told to
reload before that, and exercised again.

The image's health check is run in the container meanwhile: each second until it
has passed, then at its own interval, and at least once. If it fails that is said.
Where the image exposes no TCP port, exercises wait until it has passed.
--no-healthcheck leaves it out.

While it is watched, the container has the network of this machine. With
--network private it has one of its own that reaches everything: the proposal
then names the hosts and addresses that it reached, and the ports that the image
exposes, and no others, are found on the loopback of this machine as before.

Watch what you would run without lpm, and give it all the work that it will have
to do: what it did not do, the manifest will not have. An image that keeps data does
other things at its first start than at later ones: with --volume it finds what
an earlier run has written, and --from proposes from the records of both.

With --recorder ebpf, which takes root, the container is not stopped at its
calls but watched from inside the kernel, where its checks of capabilities are
seen. With --attach nothing is run: a container is watched that runs already,
under whatever engine, from now until it ends, for --for, or up to Ctrl-C.
TARGET is the number of its first process, or the folder of its control group
(version 2); IMAGE says what it was made from.

Of a run whose command or exercise fails nothing is proposed or kept, unless
--keep-going says so, and the exit code is that of what failed.

With --prove the workload is then run again and again under enforcement, each
time with something left out: a permission, one value of a call's argument, or a
group that is probably not needed. Without an --exercise or --for the command has
to end by itself, and its status is the verdict. A permission is

  needed     if the workload failed without it, twice;
  unneeded   if it passed, three times in a row, without this and all others that
             are unneeded together;
  undecided  if it was not tried, or trials do not agree.

At first all is granted: a workload that then passes only sometimes, or never, is
an error. Calls that every program needs are tried with --prove-all alone, bounds
on resources never. The proposal keeps what is unneeded, with a comment;
--drop-unneeded leaves all of it out. Another workload may need it: give the
exercise everything that the container will have to do.

FILE.prove has the record, the outcomes so far, with which the same command goes
on after Ctrl-C, what failing runs printed, and results.json. Runs on this
machine's network are made one at a time, for they want the same ports. --prove
with --manifest tries a manifest that there is, with --from one that is proposed
from records.`,
		Example: `  lpm analyze redis -o redis.cue --exercise 'redis-benchmark -p $LPM_PORT -q'
  lpm analyze nginx --for 30s --evidence nginx.json >nginx.cue
  lpm analyze debian -- sh -c 'apt-get --version'
  lpm analyze postgres --volume trial:/var/lib/postgresql/data --evidence first.json
  lpm analyze --from first.json second.json --coverage coverage.svg
  sudo lpm analyze redis --recorder ebpf -o redis.cue --for 1m
  sudo lpm analyze redis --attach $(docker inspect -f '{{.State.Pid}}' cache) --for 10m --evidence day.json
  lpm analyze redis -o redis.cue --prove --exercise 'redis-benchmark -p $LPM_PORT -q'
  lpm analyze redis --prove --manifest redis.cue --prove-dir trials --exercise ./try`,
	}
	f.add(c)
	c.Args = f.check
	c.RunE = func(c *cobra.Command, args []string) error {
		name := ""
		if len(f.from) > 0 {
			f.from = append(f.from, args...)
		} else {
			name, f.Args = args[0], args[1:]
		}
		if len(f.from) > 0 && !f.prove.on {
			return s.proposeAgain(c.Context(), f)
		}
		if c.Flags().Changed("entrypoint") {
			f.Entrypoint = []string{f.entrypoint}
		}
		f.Env = front.FromHere(f.Env)
		var err error
		if f.Volumes, err = front.Volumes(f.volumes); err != nil {
			return err
		}
		if f.prove.on {
			return s.prove(c.Context(), name, f)
		}
		return s.analyze(c.Context(), name, f)
	}
	return c
}

// analyze runs an image and proposes from what it did.
func (s *session) analyze(ctx context.Context, name string, f analyzeFlags) error {
	st, err := s.store()
	if err != nil {
		return err
	}
	image, err := s.image(st, name)
	if err != nil {
		return err
	}
	outcome, err := s.recorded(ctx, st, image, f)
	if err != nil {
		return err
	}
	return s.propose([]*evidence.Record{outcome.Record}, outcome.Facts, f)
}
