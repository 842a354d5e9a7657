"""Keep goldens of the site's databases fresh; all of them in one task, for each task costs half a second."""

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: layersite_golden
short_description: Keep a masked, verified golden of every database
description:
  - Builds, verifies and publishes goldens; see the role C(database_golden).
options:
  site:
    description: The site's folder.
    type: path
    required: true
  databases:
    description: The databases of C(layersite.yaml); none means all.
    type: list
    elements: str
    default: []
  max_age_hours:
    description: A golden that is no older and follows the present contract is enough.
    type: float
    default: 20
  workers:
    description: How many copies run at a time.
    type: int
    default: 2
author:
  - The Layersite contributors
"""

EXAMPLES = r"""
- name: Keep a golden of the shop that is a day old at most
  layersite_golden:
    site: /srv/environments
    databases: [shop]
    max_age_hours: 20
"""

RETURN = r"""
goldens:
  description: The newest golden of each database, with its attestation's digest.
  returned: always
  type: dict
"""

ARGUMENTS = {
    "site": {"type": "path", "required": True},
    "databases": {"type": "list", "elements": "str", "default": []},
    "max_age_hours": {"type": "float", "default": 20.0},
    "workers": {"type": "int", "default": 2},
}


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        from layersite.database.golden.batch import golden_batch
        from layersite.model.errors import LayersiteError
    except ImportError as error:
        module.fail_json(f"{error}; install requirements/layersite.txt and requirements/ansible.txt beside Ansible")
    try:
        module.exit_json(**golden_batch(module.params, dry_run=module.check_mode))
    except LayersiteError as error:
        module.fail_json(str(error))


if __name__ == "__main__":
    main()
