revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
import models
import sqlalchemy as sa
from alembic import op


def upgrade():
    ${upgrades if upgrades else 'pass'}
