package plan

// Image is what a launch needs to know of an image: its configuration and
// what a look at its unpacked tree found.
type Image struct {
	// Digest is that of the platform's image manifest ("sha256:…").
	Digest string `json:"digest"`
	Config Config `json:"config"`
	Survey Survey `json:"survey"`
}

// Config is the part of an OCI image configuration that a launch uses.
type Config struct {
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	Env        []string `json:"env,omitempty"`
	// User is "user", "uid", "user:group" or "uid:gid"; empty is root.
	User       string `json:"user,omitempty"`
	WorkingDir string `json:"workingDir,omitempty"`
	// Volumes are the paths whose content is meant to outlive a container.
	Volumes []string `json:"volumes,omitempty"`
	// Ports are those the image says it listens on, as "6379/tcp".
	Ports []string `json:"ports,omitempty"`
}

// Survey is what a look at the image's tree found. Every path in it is
// absolute inside the image.
type Survey struct {
	// UID, GID and Groups are those of the image's user.
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`
	// Home is the user's home folder, "/" where none is known.
	Home string `json:"home"`
	// Found is the path that the command's first word was found under, and
	// Entry the same free of symbolic links. Program is the file to execute: the same, or, of a script, its
	// interpreter. Prefix is the arguments that then come before the
	// command's own.
	Found   string   `json:"found"`
	Entry   string   `json:"entry"`
	Program string   `json:"program"`
	Prefix  []string `json:"prefix,omitempty"`
	// Executables are all programs of the tree, sorted by path.
	Executables []Executable `json:"executables"`
	// Paths describes each path that was asked for.
	Paths map[string]PathFact `json:"paths"`
}

// Executable is a file of the image that can be run as a program.
type Executable struct {
	Path string `json:"path"`
	// Needs is the ELF loader or the script's interpreter, free of symbolic
	// links; empty for a static program.
	Needs string `json:"needs,omitempty"`
	// Script marks files that name an interpreter in their first line. They
	// are never hidden, for programs read them as data too: Landlock refuses
	// their execution.
	Script bool `json:"script,omitempty"`
	// Library marks shared objects that have a program's form too, as the C
	// library and the loader do. They are never hidden.
	Library bool `json:"library,omitempty"`
}

// PathFact describes a path of the image's tree.
type PathFact struct {
	// Real is the path with its symbolic links followed inside the tree. Of
	// a path that does not exist, it is where it would be made.
	Real string `json:"real"`
	// Exists tells whether there is anything, Dir whether it is a folder,
	// Empty whether that folder has no entries.
	Exists bool `json:"exists"`
	Dir    bool `json:"dir,omitempty"`
	Empty  bool `json:"empty,omitempty"`
	// Mode is the permission bits, UID and GID the owner inside the
	// container's user namespace.
	Mode uint32 `json:"mode,omitempty"`
	UID  uint32 `json:"uid,omitempty"`
	GID  uint32 `json:"gid,omitempty"`
}
