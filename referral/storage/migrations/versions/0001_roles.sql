-- referral_owner owns everything and cannot sign in; referral_app signs in and owns nothing.
-- Several databases of one server may be migrated at once, hence the handlers.
DO $$
BEGIN
    BEGIN
        CREATE ROLE referral_owner NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    BEGIN
        CREATE ROLE referral_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    -- Concurrent grants of the same membership can collide as well.
    FOR attempt IN 1..20 LOOP
        BEGIN
            EXECUTE format('GRANT referral_owner TO %I', current_user);
            EXIT;
        EXCEPTION WHEN unique_violation OR internal_error THEN
            IF attempt = 20 THEN RAISE; END IF;
            PERFORM pg_sleep(0.02);
        END;
    END LOOP;
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO referral_owner;
GRANT USAGE ON SCHEMA public TO referral_app;
ALTER TABLE alembic_version OWNER TO referral_owner;
SET LOCAL ROLE referral_owner;
