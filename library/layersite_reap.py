"""Remove what Argo CD leaves of environments; the whole batch in one task, for each task costs half a second."""

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: layersite_reap
short_description: Remove what Argo CD leaves of environments that went
description:
  - Removes namespaces and PersistentVolumes that carry the environment's label; see the role C(environment_reap).
options:
  environments:
    description: The environments, each with C(name), C(namespace) and optionally C(context) and C(generation).
    type: list
    elements: dict
    required: true
  prefix:
    description: What the namespaces of the site start with.
    type: str
    required: true
  timeout:
    description: Seconds to wait at most.
    type: int
    required: true
  force:
    description: Whether to remove the finalizers of what hangs.
    type: bool
    default: false
  result:
    description: The JSON file to write what became of each environment to.
    type: path
    required: true
author:
  - The Layersite contributors
"""

EXAMPLES = r"""
- name: Remove one
  layersite_reap:
    environments: [{name: web-42, namespace: env-web-42}]
    prefix: env-
    timeout: 120
    result: /tmp/result.json
"""

RETURN = r"""
environments:
  description: What became of each environment, by name.
  returned: always
  type: dict
"""

ENVIRONMENT = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "context": {"type": "str"},
    "generation": {"type": "int"},
}
ARGUMENTS = {
    "environments": {"type": "list", "elements": "dict", "required": True, "options": ENVIRONMENT},
    "prefix": {"type": "str", "required": True},
    "timeout": {"type": "int", "required": True},
    "force": {"type": "bool", "default": False},
    "result": {"type": "path", "required": True},
}


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        from layersite.cluster.batch import reap_batch
        from layersite.model.errors import ToolError
    except ImportError as error:
        module.fail_json(f"{error}; install requirements/layersite.txt and requirements/ansible.txt beside Ansible")
    try:
        module.exit_json(**reap_batch(module.params, dry_run=module.check_mode))
    except ToolError as error:
        module.fail_json(str(error))


if __name__ == "__main__":
    main()
