"""Bring environments clones of their databases; the whole batch in one task, for each task costs half a second."""

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: layersite_clone
short_description: Bring environments clones of their databases
description:
  - Clones goldens and writes the Secrets that lead to them; see the role C(database_clone).
options:
  environments:
    description: >-
      The environments, each with C(name), C(namespace), C(databases) and optionally C(context) and C(generation). A
      database has C(name), C(engine), C(host), C(port) and optionally C(golden), C(again), C(quiet) and
      C(instances).
    type: list
    elements: dict
    required: true
  site:
    description: The site's environments repository, by which its clones are known.
    type: str
    required: true
  prefix:
    description: What the namespaces of the site start with.
    type: str
    required: true
  reset:
    description: Whether to make clones anew that are there.
    type: bool
    default: false
  timeout:
    description: Seconds to wait at most for the namespaces.
    type: int
    required: true
  result:
    description: The JSON file to write what became of each environment to.
    type: path
    required: true
author:
  - The Layersite contributors
"""

EXAMPLES = r"""
- name: Bring one
  layersite_clone:
    environments:
      - name: web-42
        namespace: env-web-42
        databases:
          - {name: shop, engine: postgresql, golden: golden_shop_0123456789ab, host: db.example.com, port: 5432}
    site: https://git.example.com/example/environments.git
    prefix: env-
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

INSTANCES = {
    "directory": {"type": "path", "required": True},
    "ports": {"type": "str", "required": True},
    "start": {"type": "list", "elements": "str"},
    "stop": {"type": "list", "elements": "str"},
}
DATABASE = {
    "name": {"type": "str", "required": True},
    "engine": {"type": "str", "required": True, "choices": ["postgresql", "mariadb"]},
    "instances": {"type": "dict", "options": INSTANCES},
    "golden": {"type": "str"},
    "again": {"type": "int"},
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "quiet": {"type": "dict"},
}
ENVIRONMENT = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "context": {"type": "str"},
    "generation": {"type": "int"},
    "databases": {"type": "list", "elements": "dict", "required": True, "options": DATABASE},
}
ARGUMENTS = {
    "environments": {"type": "list", "elements": "dict", "required": True, "options": ENVIRONMENT},
    "site": {"type": "str", "required": True},
    "prefix": {"type": "str", "required": True},
    "reset": {"type": "bool", "default": False},
    "timeout": {"type": "int", "required": True},
    "result": {"type": "path", "required": True},
}


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        from layersite.data.bring import clone_batch
        from layersite.model.errors import LayersiteError
    except ImportError as error:
        module.fail_json(f"{error}; install requirements/layersite.txt and requirements/ansible.txt beside Ansible")
    try:
        module.exit_json(**clone_batch(module.params, dry_run=module.check_mode))
    except LayersiteError as error:
        module.fail_json(str(error))


if __name__ == "__main__":
    main()
