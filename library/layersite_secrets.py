"""Bring environments their secrets; the whole batch in one task, for each task costs half a second."""

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: layersite_secrets
short_description: Bring environments the secrets that their apps declare
description:
  - Copies Secrets of the baseline and makes random ones; see the role C(environment_secrets).
options:
  environments:
    description: >-
      The environments, each with C(name), C(namespace), C(secrets) and optionally C(context) and C(generation). A
      secret has C(name), C(source) (C(copy) or C(generate)) and C(keys).
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
  baseline:
    description: The namespace that copies are made from.
    type: str
    required: true
  result:
    description: The JSON file to write what became of each environment to.
    type: path
    required: true
author:
  - The Layersite contributors
"""

EXAMPLES = r"""
- name: Make one
  layersite_secrets:
    environments:
      - {name: web-42, namespace: env-web-42, secrets: [{name: database, source: generate, keys: [password]}]}
    prefix: env-
    baseline: staging
    timeout: 120
    result: /tmp/result.json
  no_log: true
"""

RETURN = r"""
environments:
  description: What became of each environment, by name.
  returned: always
  type: dict
"""

SECRET = {
    "name": {"type": "str", "required": True},
    "source": {"type": "str", "required": True, "choices": ["copy", "generate"]},
    "keys": {"type": "list", "elements": "str", "no_log": False},
}
ENVIRONMENT = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "context": {"type": "str"},
    "generation": {"type": "int"},
    "secrets": {"type": "list", "elements": "dict", "required": True, "options": SECRET, "no_log": False},
}
ARGUMENTS = {
    "environments": {"type": "list", "elements": "dict", "required": True, "options": ENVIRONMENT},
    "prefix": {"type": "str", "required": True},
    "timeout": {"type": "int", "required": True},
    "baseline": {"type": "str", "required": True},
    "result": {"type": "path", "required": True},
}


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        from layersite.cluster.batch import secrets_batch
        from layersite.model.errors import ToolError
    except ImportError as error:
        module.fail_json(f"{error}; install requirements/layersite.txt and requirements/ansible.txt beside Ansible")
    try:
        module.exit_json(**secrets_batch(module.params, dry_run=module.check_mode))
    except ToolError as error:
        module.fail_json(str(error))


if __name__ == "__main__":
    main()
