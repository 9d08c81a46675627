"""A SOAR engine: alerts in, playbooks run, everything done can be taken back."""
