"""A real Kubernetes control plane for tests and the demo.

- `build`: finds kube-apiserver, kube-controller-manager, etcd, kubectl and helm, or builds them once.
- `server`: runs them, isolated, with RBAC on.
- `keeper`: ends processes with their owner, whatever ends it.
- `fixtures`: what pytest needs of this.

By hand: `python -m tests.controlplane start`.
"""
