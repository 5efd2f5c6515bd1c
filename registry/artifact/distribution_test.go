package artifact

import (
	"testing"

	"github.com/least-privilege/lpm/registry/registrytest"
)

func TestDockerRegistry(t *testing.T) {
	t.Parallel()
	testRoundTrip(t, registrytest.Docker(t, registrytest.Options{}))
}
