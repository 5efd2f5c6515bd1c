package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/schema"
)

// exercise returns the work that an image is watched at.
func exercise(image string) string {
	const url = "url=http://$LPM_HOST:$LPM_PORT; "
	switch image {
	case "redis":
		return "redis-benchmark -p $LPM_PORT -t set,get -n 5000 -q"
	case "nginx":
		return url + "wrk -t 1 -c 4 -d 1s $url/"
	case "memcached":
		return "memcached-load -a $LPM_HOST:$LPM_PORT -n 5000"
	case "redis-entry":
		return "redis-benchmark -p $LPM_PORT -t set,get -n 5000 -q && redis-cli -p $LPM_PORT save"
	case "nginx-entry":
		return url + "curl -fsS $url/ -o /dev/null; curl -sS -o /dev/null -d \"$(seq 10000)\" $url/upload"
	case "postgres":
		return "export PGHOST=$LPM_HOST PGPORT=$LPM_PORT PGUSER=postgres; until pg_isready -q; do sleep 0.1; done; " +
			"psql -c 'CREATE TABLE t AS SELECT generate_series(1, 10000) AS n' -c 'SELECT count(*), avg(n) FROM t' -c CHECKPOINT"
	case "python3":
		return url + "set -e; for n in a b; do curl -fsS -d x $url/notes/$n; done; curl -fsS $url/ $url/notes/a $url/archive -o /dev/null; curl -fsS -X DELETE $url/notes/b"
	}
	return ""
}

// ports are those that the test images listen on.
func ports() map[string]string {
	return map[string]string{
		"redis": "6379", "nginx": "8080", "memcached": "11211", "python3": "8000",
		"redis-entry": "6379", "nginx-entry": "8081", "postgres": "5432",
	}
}

// free reports a port that is taken: test images have the host's network.
func free(image string) error {
	port := ports()[image]
	if port == "" {
		return nil
	}
	if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		conn.Close()
		return &unavailableError{fmt.Sprintf("port %s is in use on this machine, and %s needs it", port, image)}
	}
	return nil
}

// propose returns the manifest that lpm proposes for a test image, which it
// watches at its work once.
func (b *bench) propose(ctx context.Context, image string) (manifest.Manifest, error) {
	if m := b.proposals[image]; m != nil {
		return *m, nil
	}
	if err := free(image); err != nil {
		return manifest.Manifest{}, err
	}
	file := filepath.Join(b.work, image+".cue")
	analyze := []string{"analyze", "-o", file, image}
	if work := exercise(image); work != "" {
		analyze = append(analyze, "--exercise", work)
	}
	store := b.store("proposals")
	for _, args := range [][]string{{"load", b.image(image)}, analyze} {
		if _, err := store.lpm(ctx, args...); err != nil {
			return manifest.Manifest{}, err
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return manifest.Manifest{}, err
	}
	m, err := schema.Decode(file, text)
	if err != nil {
		return manifest.Manifest{}, err
	}
	b.proposals[image] = m
	return *m, nil
}
