"""Remove clones of environments that went; the whole batch in one task, for each task costs half a second."""

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: layersite_clone_reap
short_description: Remove clones of environments that went
description:
  - Drops databases and roles that layersite made for clones; see the role C(database_reap).
options:
  environments:
    description: >-
      The environments, each with C(name), C(namespace), C(databases) and optionally C(context) and C(generation).
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
  databases:
    description: The databases of the site, each with C(name), C(engine) and optionally C(instances).
    type: list
    elements: dict
    required: true
  living:
    description: The names of all environments there are; what belongs to none of them goes too. Without it, nothing.
    type: list
    elements: str
  grace_minutes:
    description: How old a clone must be to go because no living environment has it.
    type: int
    required: true
  cap:
    description: How many may go at most because no living environment has them.
    type: int
    required: true
  apply:
    description: Whether to remove; otherwise only tell.
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
  layersite_clone_reap:
    environments: [{name: web-42, namespace: env-web-42, databases: [shop]}]
    databases: [{name: shop, engine: postgresql}]
    site: https://git.example.com/example/environments.git
    prefix: env-
    grace_minutes: 60
    cap: 10
    apply: true
    result: /tmp/result.json
"""

RETURN = r"""
environments:
  description: What became of each environment, by name.
  returned: always
  type: dict
found:
  description: The names of the clones that were removed, or are to be.
  returned: always
  type: list
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
}
ENVIRONMENT = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "context": {"type": "str"},
    "generation": {"type": "int"},
    "databases": {"type": "list", "elements": "str", "required": True},
}
ARGUMENTS = {
    "environments": {"type": "list", "elements": "dict", "required": True, "options": ENVIRONMENT},
    "databases": {"type": "list", "elements": "dict", "required": True, "options": DATABASE},
    "site": {"type": "str", "required": True},
    "prefix": {"type": "str", "required": True},
    "living": {"type": "list", "elements": "str"},
    "grace_minutes": {"type": "int", "required": True},
    "cap": {"type": "int", "required": True},
    "apply": {"type": "bool", "default": False},
    "result": {"type": "path", "required": True},
}


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        from layersite.data.reap import reap_batch
        from layersite.model.errors import LayersiteError
    except ImportError as error:
        module.fail_json(f"{error}; install requirements/layersite.txt and requirements/ansible.txt beside Ansible")
    try:
        module.exit_json(**reap_batch(module.params, dry_run=module.check_mode))
    except LayersiteError as error:
        module.fail_json(str(error))


if __name__ == "__main__":
    main()
