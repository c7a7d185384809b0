-- Three roles for the gateway's database: one owns the tables, one works, one only reads. Run it once as a superuser, in the
-- database made for the gateway (createdb --encoding=UTF8 --locale=C --template=template0 gateway), before `gateway init`:
--   psql --set=ON_ERROR_STOP=1 --single-transaction --file=ops/postgresql-roles.sql gateway
-- then give each a password (\password gateway_run) or another way in (pg_hba.conf).
--
--   gateway_owner  `gateway init`, at the first start and for each release
--   gateway_run    everything else; cannot create, change or empty a table
--   gateway_read   `gateway status`, `failures`, `report`, `metrics`, `evidence verify`: for who watches
CREATE ROLE gateway_owner LOGIN;
CREATE ROLE gateway_run LOGIN;
CREATE ROLE gateway_read LOGIN;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO gateway_owner;
GRANT USAGE ON SCHEMA public TO gateway_run, gateway_read;

ALTER DEFAULT PRIVILEGES FOR ROLE gateway_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO gateway_run;
ALTER DEFAULT PRIVILEGES FOR ROLE gateway_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO gateway_run;
ALTER DEFAULT PRIVILEGES FOR ROLE gateway_owner IN SCHEMA public GRANT SELECT ON TABLES TO gateway_read;
