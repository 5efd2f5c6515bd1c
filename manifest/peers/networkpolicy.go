package peers

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/least-privilege/lpm/manifest"
)

// The part of networking.k8s.io/v1 that is written here.
type (
	policy struct {
		APIVersion string   `yaml:"apiVersion"`
		Kind       string   `yaml:"kind"`
		Metadata   metadata `yaml:"metadata"`
		Spec       spec     `yaml:"spec"`
	}
	metadata struct {
		Name string `yaml:"name"`
	}
	spec struct {
		PodSelector selector `yaml:"podSelector"`
		PolicyTypes []string `yaml:"policyTypes,flow"`
		Ingress     []rule   `yaml:"ingress"`
		Egress      []rule   `yaml:"egress"`
	}
	selector struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}
	// rule allows what is at one of To and at one of Ports. An empty list
	// stands for everything.
	rule struct {
		comment string
		To      []target `yaml:"to,omitempty"`
		Ports   []port   `yaml:"ports"`
	}
	target struct {
		IPBlock           *ipBlock  `yaml:"ipBlock,omitempty"`
		NamespaceSelector *selector `yaml:"namespaceSelector,omitempty"`
		PodSelector       *selector `yaml:"podSelector,omitempty"`
	}
	ipBlock struct {
		CIDR string `yaml:"cidr"`
	}
	port struct {
		Protocol string `yaml:"protocol"`
		Port     uint16 `yaml:"port"`
		EndPort  uint16 `yaml:"endPort,omitempty"`
	}
)

// MarshalYAML puts the comment above the rule.
func (r rule) MarshalYAML() (any, error) {
	type plain rule
	var n yaml.Node
	if err := n.Encode(plain(r)); err != nil {
		return nil, err
	}
	n.HeadComment = r.comment
	return &n, nil
}

// networkPolicy selects pods by the label app.kubernetes.io/name.
func (s *section) networkPolicy(name string) (string, error) {
	s.note("Network policies hold only where the cluster's network plugin enforces them.")
	if s.Mode != manifest.NetworkNone {
		s.note("A pod can listen at any port; it is reached at those below and no others.")
	}
	if s.Mode == manifest.NetworkHost {
		s.gap("network:host", Missing, "a pod on its node's network is not held by network policies: this is for one with a network of its own, without the services of the node's loopback")
	}
	p := policy{
		APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Metadata: metadata{name},
		Spec: spec{
			PodSelector: selector{map[string]string{"app.kubernetes.io/name": name}},
			PolicyTypes: []string{"Ingress", "Egress"},
			Ingress:     s.policyIngress(), Egress: s.policyEgress(),
		},
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(p); err != nil {
		return "", fmt.Errorf("encoding the network policy: %w", err)
	}
	return b.String(), nil
}

func (s *section) policyIngress() []rule {
	rules := []rule{}
	for i, l := range s.Listen {
		if s.published(l) {
			rules = append(rules, rule{
				comment: about(s.listenID(i), l.Reason),
				Ports:   []port{{Protocol: upper(l.Protocol), Port: l.Port}},
			})
		}
	}
	return rules
}

func (s *section) policyEgress() []rule {
	rules := []rule{}
	if s.byName() {
		s.gap("network:private", Wider, "the cluster's DNS answers for every name, and passes on what it is asked")
		rules = append(rules, clusterDNS())
	}
	for i, e := range s.Egress {
		id := s.egressID(i)
		r := rule{comment: about(id, e.Reason), Ports: policyPorts(e)}
		switch {
		case e.Host != "":
			s.gap(id, Missing, "a network policy knows addresses and no names; add a rule with an ipBlock for each address of the name")
			continue
		case e.Protocol == manifest.ICMP:
			s.gap(id, Missing, "a network policy knows no ICMP; whether echo requests pass is the network plugin's to say")
			continue
		case onLoopback(e):
			s.gap(id, Missing, "a pod's loopback is its own, and not the node's")
			continue
		case e.CIDR != "":
			r.To = []target{{IPBlock: &ipBlock{e.CIDR}}}
		}
		rules = append(rules, r)
	}
	return rules
}

// clusterDNS is where pods look names up.
func clusterDNS() rule {
	return rule{
		comment: "Looking names up.",
		To: []target{{
			NamespaceSelector: &selector{map[string]string{"kubernetes.io/metadata.name": "kube-system"}},
			PodSelector:       &selector{map[string]string{"k8s-app": "kube-dns"}},
		}},
		Ports: []port{{Protocol: "UDP", Port: 53}, {Protocol: "TCP", Port: 53}},
	}
}

func policyPorts(e manifest.Egress) []port {
	ports := make([]port, len(e.Ports))
	for i, r := range e.Ports {
		ports[i] = port{Protocol: upper(e.Protocol), Port: r.From}
		if r.To != r.From {
			ports[i].EndPort = r.To
		}
	}
	return ports
}

func upper(p manifest.Protocol) string { return strings.ToUpper(string(p)) }

// onLoopback reports whether a destination is on the machine's loopback.
func onLoopback(e manifest.Egress) bool {
	block, err := netip.ParsePrefix(e.CIDR)
	return err == nil && block.Addr().IsLoopback()
}
